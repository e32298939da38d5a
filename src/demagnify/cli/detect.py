"""`demagnify detect`: verdicts on photographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.cli.options import Device, Precision, Strict

if TYPE_CHECKING:
    from demagnify.data import Skipped
    from demagnify.inference import PhotoVerdict


def run(
    photos: Annotated[
        list[Path], typer.Argument(help="Photographs, or folders of them.", metavar="PHOTO")
    ],
    defense: Annotated[
        str,
        typer.Option(
            help="A folder that train-defense or demo wrote, the name of weights that come with "
            "demagnify, or any detector as in train-defense --detector (then there is no agent)."
        ),
    ] = "default",
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write copies of the photographs here, with faces and verdicts drawn: PNG files "
            "under the same names, numbered where two would have one name."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per photograph and line.")
    ] = False,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Classify photographs: find every face, correct it, and print real, fake or unsure.

    A score above 0.5 means fake. It is a ranking, not evidence: detectors fail on kinds of fakes
    that they were not trained on, and on photographs that were compressed or resized hard. Only
    defences that were trained to abstain (defense.abstain) give the verdict unsure.
    """
    from demagnify.inference import DetectionConfig, detect

    config = DetectionConfig(
        defense=defense, save=save, strict=strict, device=device, precision=precision
    )
    classified = skipped = 0

    def on_skip(what: Skipped) -> None:
        nonlocal skipped
        skipped += 1
        typer.echo(f"{what.where}: {what.reason}", err=True)

    for verdict in detect(photos, config, on_skip=on_skip):
        _print(verdict, as_json=as_json)
        classified, skipped = classified + bool(verdict.faces), skipped + bool(verdict.problem)
    if skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED if classified else EXIT_FAULT_OF_INPUT)


def _print(verdict: PhotoVerdict, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(verdict.to_json(), ensure_ascii=False))
    elif verdict.problem:
        typer.echo(f"{verdict.path}: {verdict.problem}", err=True)
    for number, face in enumerate(() if as_json else verdict.faces, start=1):
        x, y, width, height = face.box
        typer.echo(
            f"{verdict.path}: face {number} at {x:.0f},{y:.0f} ({width:.0f}x{height:.0f}): "
            f"{face.verdict}, score {face.score:.3f}, action {face.action}"
        )
