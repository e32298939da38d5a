"""`demagnify evaluate`: what a defence gains, under which attack, and how sure that is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import Attacks, Device, Precision, Seed, Strict
from demagnify.cli.present import show_result


def run(
    data: Annotated[
        list[Path],
        typer.Option(help="Labelled faces with the splits val and test; may be given often."),
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/evaluation"),
    defense: Annotated[
        str,
        typer.Option(
            help="A folder that train-defense wrote, one that is shipped, or any detector as in "
            "train-defense --detector (then there is no agent)."
        ),
    ] = "runs/defense",
    attack: Attacks = None,
    resamples: Annotated[int, typer.Option(min=20, help="Bootstrap resamples over groups.")] = 1000,
    title: Annotated[str, typer.Option(help="A name for the run, for the report.")] = "",
    seed: Seed = 0,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Judge a defence beside everything it must beat, clean and under each --attack.

    Writes results.json, predictions.csv, examples/, report.html and the tables. Baselines are
    chosen on the split val; the split test is only judged.
    """
    from demagnify.defense.shipped import load_defended
    from demagnify.evaluation import Settings
    from demagnify.experiments.evaluation import SPLITS, EvaluationPlan, evaluate_on

    plan = EvaluationPlan(
        sources=data,
        defenses={"learned": load_defended(defense, device=device, precision=precision)},
        attacks=attack or [],
        settings=Settings(seed=seed, resamples=resamples, selection_split=SPLITS[0]),
        title=title or output.name,
        command=shlex.join(["demagnify", *sys.argv[1:]]),
        strict=strict,
        device=device,
    )
    evaluation = evaluate_on(plan, output)
    show_result(evaluation.result)
    typer.echo(f"look at {output / 'report.html'}")
