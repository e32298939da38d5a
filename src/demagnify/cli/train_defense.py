"""`demagnify train-defense`: an agent in front of a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from demagnify.cli.options import (
    Attacks,
    Detector,
    Device,
    Limit,
    OptionalSeed,
    Override,
    Precision,
    Preset,
    Strict,
)
from demagnify.cli.skips import Skips


def run(
    data: Annotated[
        list[Path],
        typer.Option(help="Labelled faces with the split to learn from; may be given often."),
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/defense"),
    detector: Detector = "light",
    attack: Attacks = None,
    preset: Preset = "default",
    override: Override = None,
    limit: Limit = None,
    split: Annotated[
        Literal["train", "val"],
        typer.Option(
            help="Which faces to learn from. val where the detector was trained on train: of faces "
            "that it knows, an agent learns that nothing need be done."
        ),
    ] = "train",
    seed: OptionalSeed = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="How many trainings, each with the next seed, in subfolders seed-N; `evaluate` "
            "judges the folder as one row.",
        ),
    ] = 1,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Train an agent that picks a corrective action for each face before the detector judges.

    It learns from every face of the split as it is, and under each --attack. A killed training goes
    on where it was, and on a CPU ends in the same bits.
    """
    from demagnify import detectors
    from demagnify.agents import presets as configs
    from demagnify.agents.training import TrainDefenseConfig, train_defense

    chosen = [] if seed is None else [f"defense.seed={seed}"]
    settings = configs.load(preset, [*(override or []), *chosen])
    skips = Skips()
    config = TrainDefenseConfig(
        defense=settings.defense,
        face_size=settings.face_size,
        split=split,
        subsample=limit,
        seeds=seeds,
        strict=strict,
        device=device,
    )
    trained = train_defense(
        data,
        config,
        output,
        detector=detectors.load_detector(detector, device=device, precision=precision),
        attacks=attack or [],
        log=typer.echo,
        on_skip=skips,
    )
    for one in trained:
        if not one.history:
            continue
        last = one.history[-1]
        names = one.defended.actions.names
        shares = ", ".join(f"{n} {s:.0%}" for n, s in zip(names, last.actions, strict=True))
        typer.echo(
            f"after {last.episode} episodes: mean reward {last.reward:+.3f}; actions: {shares}"
        )
    typer.echo(f"written to {output}")
    skips.end()
