"""`demagnify detect`: verdicts on photographs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.cli.options import Device, Precision, Strict

if TYPE_CHECKING:
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
    """Judge photographs: find every face, let the agent correct it, say real, fake or unsure.

    A score above 0.5 means fake. It is a ranking, not evidence: detectors fail on kinds of
    fakes that they have not met, and on photographs that were compressed or resized hard. Only
    defences that were trained to withhold doubtful verdicts (defense.abstain) say unsure.
    """
    from demagnify.agents.shipped import load_defended
    from demagnify.core.errors import BadImageError
    from demagnify.core.progress import bar
    from demagnify.data.face_finding import FaceFinder
    from demagnify.inference import detect

    named, unreadable = _expand(photos, save)
    for line in unreadable:
        if strict:
            raise BadImageError(line)
        typer.echo(line, err=True)
    pictures = [] if save is None else _name_pictures(named, save)
    defended = load_defended(defense, device=device, precision=precision)
    judged, skipped = 0, len(unreadable)
    with bar("judging photographs", len(named)) as advance:
        verdicts = detect([path for path, _ in named], defended, FaceFinder())
        for number, verdict in enumerate(verdicts):
            if verdict.problem and strict:
                raise BadImageError(f"{verdict.path}: {verdict.problem}")
            _print(verdict, as_json=as_json)
            if pictures and verdict.faces:
                _draw(verdict, pictures[number])
            judged, skipped = judged + bool(verdict.faces), skipped + bool(verdict.problem)
            advance(1)
    if skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED if judged else EXIT_FAULT_OF_INPUT)


def _expand(arguments: list[Path], save: Path | None) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Returns every photograph, with its name below the folder that was given.

    And a line about each folder, deeper down, that cannot be read.
    """
    from demagnify.core.errors import BadImageError
    from demagnify.core.images import list_files

    named: list[tuple[Path, Path]] = []
    unreadable: list[str] = []

    def skip(path: Path, reason: str) -> None:
        unreadable.append(f"{path}: {reason}")

    for argument in arguments:
        if not os.path.isdir(argument):  # noqa: PTH112  Path.is_dir raises where names are odd
            named.append((argument, Path(argument.name)))
            continue
        listed = list_files(argument, unreadable=skip)
        found = [path for path in listed if not _is_drawn(path, argument, save)]
        if not found:
            told = f"; skipped {unreadable[0]}" if unreadable else ""
            raise BadImageError(f"{argument}: the folder holds no photograph{told}")
        named.extend((path, path.relative_to(argument)) for path in found)
    return named, unreadable


def _is_drawn(path: Path, folder: Path, save: Path | None) -> bool:
    """Whether an earlier run drew this picture, in a folder inside of the one to be judged."""
    if save is None or folder.resolve().is_relative_to(save.resolve()):
        return False
    return path.resolve().is_relative_to(save.resolve())


def _name_pictures(named: list[tuple[Path, Path]], save: Path) -> list[Path]:
    """Returns where each photograph is drawn: no two in one place, and none over another."""
    taken = {path.resolve() for path, _ in named}
    pictures = []
    for _, name in named:
        picture, number = save / f"{name}.png", 1
        while picture.resolve() in taken:
            number += 1
            picture = save / f"{name}.{number}.png"
        taken.add(picture.resolve())
        pictures.append(picture)
    return pictures


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


def _draw(verdict: PhotoVerdict, picture: Path) -> None:
    from demagnify.core.images import save_png
    from demagnify.inference import draw_verdict

    save_png(picture, draw_verdict(verdict))
