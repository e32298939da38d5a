"""`demagnify demo`: the whole idea on real photographs, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import Device, Precision, Seed
from demagnify.cli.present import show_result


def run(
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("runs/demo"),
    train_detector: Annotated[
        bool,
        typer.Option(
            "--train-detector",
            help="Train a detector on the sample set instead of taking those that come with "
            "demagnify (about 20 minutes on two cores).",
        ),
    ] = False,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Run everything on real photographs: sample set, detectors, attacks, defences, report.

    Makes face swaps from about 1,000 photographs, attacks them with super-resolution networks,
    trains an agent before the hardened detector and the paper's agent, evaluates them beside all
    baselines and writes `report.html`. What is there already is not done again.
    """
    from demagnify.evaluation.demo import DemoConfig
    from demagnify.evaluation.demo import demo as run_demo

    config = DemoConfig(
        train_detector=train_detector, seed=seed, device=device, precision=precision
    )
    result = run_demo(config, output, log=typer.echo)
    show_result(result)
    typer.echo(f"\nLook at {output / 'report.html'} and {output / 'sample' / 'contact_sheet.png'}.")
    photo = output / "sample" / "test" / "fake"
    typer.echo(f"Try: demagnify detect --defense {output / 'defense'} {photo}")
