"""`demagnify detect`: verdicts on photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.cli.console import say, say_json
from demagnify.cli.generate import PATH, Argument, Config, Option, verb
from demagnify.core.printing import printable

if TYPE_CHECKING:
    from demagnify.data import Skipped
    from demagnify.inference import DetectionConfig, PhotoVerdict


@verb(
    "detect",
    Argument(
        "photos",
        "Photographs, or folders of them.",
        type=PATH,
        nargs=-1,
        required=True,
        metavar="PHOTO...",
    ),
    Option("--json", "as_json", "Print one JSON object per photograph and line.", is_flag=True),
    Config("demagnify.inference:DetectionConfig"),
)
def detect(photos: tuple[Path, ...], config: DetectionConfig, *, as_json: bool) -> None:
    """Classify photographs: find every face, correct it, and print real, fake or unsure.

    A score above 0.5 means fake. It is a ranking, not evidence: detectors fail on kinds of fakes
    that they were not trained on, and on photographs that were compressed or resized hard. Only
    defences that were trained to abstain (defense.abstain) give the verdict unsure.

    A second answer says whether a super-resolution network enhanced the face: captured, enhanced,
    or cannot tell. It has no part in the verdict: real faces are enhanced too.
    """
    from demagnify.inference import detect as detect_faces

    classified = skipped = 0

    def on_skip(one: Skipped) -> None:
        nonlocal skipped
        skipped += 1
        say(printable(f"{one.where}: {one.reason}"), err=True)

    for verdict in detect_faces(photos, config, on_skip=on_skip):
        _print(verdict, as_json=as_json)
        classified, skipped = classified + bool(verdict.faces), skipped + bool(verdict.problem)
    if skipped:
        raise click.exceptions.Exit(EXIT_SOME_SKIPPED if classified else EXIT_FAULT_OF_INPUT)


def _print(verdict: PhotoVerdict, *, as_json: bool) -> None:
    if as_json:
        say_json(verdict.to_json())
    elif verdict.problem:
        say(printable(f"{verdict.path}: {verdict.problem}"), err=True)
    for number, face in enumerate(() if as_json else verdict.faces, start=1):
        x, y, width, height = face.box
        say(
            f"{printable(verdict.path)}: face {number} at {x:.0f},{y:.0f} "
            f"({width:.0f}x{height:.0f}): {face.verdict}, "
            f"score {face.score:.3f}, action {face.action}; {face.enhancement}"
        )
