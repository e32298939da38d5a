"""`demagnify adaptive-attack`: for each face the best of many attacks on one detector."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.options import Attacks, Device, Precision, Seed, Strict


def run(
    data: Annotated[
        Path, typer.Argument(help="Labelled faces: a folder with metadata.csv, or its CSV.")
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/adaptive"),
    against: Annotated[
        str,
        typer.Option(
            help="Whom to attack: a folder that train-defense wrote, the name of weights that come "
            "with demagnify, or any detector that --detector of other verbs takes."
        ),
    ] = "light",
    attack: Attacks = None,
    budget: Annotated[
        int,
        typer.Option(min=2, help="Queries per face; the one about the original counts, too."),
    ] = 16,
    stop_at_success: Annotated[
        bool,
        typer.Option(
            "--stop-at-success/--best-of-budget",
            help="Take the first attack that turns the verdict, or the one that moves the score "
            "furthest.",
        ),
    ] = False,
    order: Annotated[
        Literal["success", "quality", "given"],
        typer.Option(
            help="Which attack is tried first: what succeeded on earlier faces, what is closest "
            "to the original, or the first --attack."
        ),
    ] = "success",
    faces: Annotated[
        Literal["fakes", "reals", "all"],
        typer.Option(help="Which faces are attacked: fakes to pass, real ones to be accused."),
    ] = "all",
    min_psnr: Annotated[
        float, typer.Option(min=0.0, help="Try nothing that leaves a face with less PSNR, in dB.")
    ] = 0.0,
    split: Annotated[str, typer.Option(help="Which split of the data.")] = "test",
    limit: Annotated[
        int | None, typer.Option(min=2, help="At most so many faces, drawn by group.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=32, help="Side of the faces in pixels; the detector's own.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=20, help="Bootstrap resamples over groups.")] = 1000,
    seed: Seed = 0,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Attack a detector with the best of many attacks for each face, by its scores alone.

    A defended detector is attacked as it is, and once more without its defence, to compare.
    Writes faces/ (PNG files with metadata.csv: a data set that `evaluate` and all others read),
    adaptive.json and adaptive.png. Stopped, the same command goes on where it was.
    """
    from demagnify.evaluation.adaptive import AdaptiveConfig, adaptive_attack, summarize

    given = {"attacks": tuple(attack)} if attack else {}
    config = AdaptiveConfig(
        against=against,
        budget=budget,
        stop_at_success=stop_at_success,
        order=order,
        targets=faces,
        min_psnr=min_psnr,
        split=split,
        subsample=limit,
        size=size,
        resamples=resamples,
        seed=seed,
        strict=strict,
        device=device,
        precision=precision,
        **given,
    )
    command = shlex.join(["demagnify", *sys.argv[1:]])
    result = adaptive_attack(data, config, output, command=command).result
    for line in summarize(result):
        typer.echo(line)
    typer.echo(f"look at {output / 'adaptive.png'}; the faces are in {output / 'faces'}")
    for skipped in result.skipped:
        typer.echo(f"skipped {skipped.name}: {skipped.reason}", err=True)
    if result.skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED)
