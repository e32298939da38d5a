"""`demagnify detect`: verdicts on photographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.cli.options import Device, Precision, Strict

if TYPE_CHECKING:
    from demagnify.detection import PhotoVerdict


def run(
    photos: Annotated[
        list[Path], typer.Argument(help="Photographs, or folders of them.", metavar="PHOTO...")
    ],
    defense: Annotated[
        str,
        typer.Option(
            help="A folder that train-defense or demo wrote, a folder that train-detector wrote "
            "(then there is no agent), or the name of weights that come with demagnify."
        ),
    ] = "default",
    save: Annotated[
        Path | None,
        typer.Option(help="Write copies of the photographs here, with faces and verdicts drawn."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per photograph and line.")
    ] = False,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Judge photographs: find every face, let the agent correct it, say real or fake.

    A score above 0.5 means fake. It is a ranking, not evidence: detectors fail on kinds of
    fakes that they have not met, and on photographs that were compressed or resized hard.
    """
    from demagnify.defense.shipped import load_defended
    from demagnify.detection import detect
    from demagnify.errors import BadImageError
    from demagnify.faces import FaceFinder
    from demagnify.progress import bar

    paths = _expand(photos)
    defended = load_defended(defense, device=device, precision=precision)
    judged = skipped = 0
    with bar("judging photographs", len(paths)) as advance:
        for verdict in detect(paths, defended, FaceFinder()):
            if verdict.problem and strict:
                raise BadImageError(f"{verdict.path}: {verdict.problem}")
            _print(verdict, as_json=as_json)
            if save is not None and verdict.faces:
                _draw(verdict, save, photos)
            judged, skipped = judged + bool(verdict.faces), skipped + bool(verdict.problem)
            advance(1)
    if skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED if judged else EXIT_FAULT_OF_INPUT)


def _expand(arguments: list[Path]) -> list[Path]:
    from demagnify.errors import BadImageError
    from demagnify.images import list_files

    paths: list[Path] = []
    for argument in arguments:
        if not argument.is_dir():
            paths.append(argument)
            continue
        found = list_files(argument)
        if not found:
            raise BadImageError(f"{argument}: the folder holds no photograph")
        paths.extend(found)
    return paths


def _print(verdict: PhotoVerdict, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(verdict.to_json(), ensure_ascii=False))
    elif verdict.problem:
        typer.echo(f"{verdict.path}: {verdict.problem}", err=True)
    for number, face in enumerate(() if as_json else verdict.faces, start=1):
        x, y, width, height = face.face.box
        typer.echo(
            f"{verdict.path}: face {number} at {x:.0f},{y:.0f} ({width:.0f}x{height:.0f}): "
            f"{face.verdict}, score {face.score:.3f}, action {face.action}"
        )


def _draw(verdict: PhotoVerdict, folder: Path, arguments: list[Path]) -> None:
    from demagnify.detection import draw_verdict
    from demagnify.images import save_png

    parents = [path for path in arguments if path.is_dir() and verdict.path.is_relative_to(path)]
    name = verdict.path.relative_to(parents[0]) if parents else Path(verdict.path.name)
    save_png(folder / name.with_name(name.name + ".png"), draw_verdict(verdict))
