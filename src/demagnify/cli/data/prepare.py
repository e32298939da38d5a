"""`demagnify data prepare`: faces out of photographs and videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.options import Seed, Strict

if TYPE_CHECKING:
    from demagnify.data.prepare import PrepareSummary

SHOWN = 10


def run(
    source: Annotated[Path, typer.Argument(help="The data set: a folder or an annotation file.")],
    output: Annotated[Path, typer.Argument(help="Folder to write the crops to.")],
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="The data set's format; told by its files if not given."),
    ] = None,
    view: Annotated[
        Literal["face", "scene"],
        typer.Option(
            help="face: a crop per face. scene: the whole photograph for each of its faces, as the "
            "paper's code does, under labels that contradict each other."
        ),
    ] = "face",
    fraction: Annotated[
        float | None,
        typer.Option(help="Take only this share of the photographs or videos, such as 0.25."),
    ] = None,
    seed: Seed = 0,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames per video, spread evenly; the format's own.")
    ] = None,
    compression: Annotated[
        str | None, typer.Option(help="Compression of FaceForensics++: raw, c23, c40.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method of FaceForensics++, such as Deepfakes; may be given often."),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(help="Folder of FaceForensics++'s train.json, val.json, test.json."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the photographs, if it is not beside the annotation file."),
    ] = None,
    no_face: Annotated[
        Literal["skip", "whole", "fail"],
        typer.Option(
            help="What to do with a photograph in which no face is found: leave it out, take all "
            "of it, or stop."
        ),
    ] = "skip",
    all_faces: Annotated[
        bool,
        typer.Option("--all-faces", help="Take every face that is found, not the largest only."),
    ] = False,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="Take images without a box as they are: they are face crops already."
        ),
    ] = False,
    new_splits: Annotated[
        bool,
        typer.Option(
            "--new-splits",
            help="Deal the groups out to train, val and test (7:1:2) by their names, whatever "
            "splits the data set has.",
        ),
    ] = False,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of the crops in pixels; their own if not given.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Threads; a few more than processors if not given.")
    ] = None,
    strict: Strict = False,
) -> None:
    """Cut the faces out of a data set, into a folder that everything else reads.

    Boxes that the data set gives are used, with a margin of 10 %, made square; where it gives
    none, faces are found with YuNet. The crops of DeepfakeBench and Kaggle are kept. Writes PNG
    files, `metadata.csv` with label, split, group and where each face comes from, and
    `skipped.csv`. What is done is not done again.
    """
    from demagnify.data import Manifest, formats
    from demagnify.data.describe import count_repeats
    from demagnify.data.prepare import PrepareConfig, prepare

    given: dict[str, Any] = {
        "fraction": fraction,
        "frames": frames,
        "compression": compression,
        "methods": method,
        "splits": splits,
        "images": images,
        "view": None if view == "face" else view,
        "seed": None if fraction is None else seed,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    kind = formats.recognise(source) if format_name is None else formats.create(format_name)
    manifest = Manifest.load(source, format=kind, strict=strict, **chosen)
    typer.echo(f"{source}: {kind.name}, {len(manifest)} labelled faces, frames or images")
    if new_splits:
        manifest = manifest.with_splits()
    repeats = count_repeats(manifest)
    if repeats.inputs < repeats.rows:
        typer.echo(f"note: {repeats}")
    settings = PrepareConfig(
        no_face=no_face,
        unboxed="keep" if crops or kind.crops or view == "scene" else "find",
        all_faces=all_faces,
        size=size,
    )
    summary = prepare(manifest, output, settings, strict=strict, workers=jobs)
    _show(summary, output)
    if summary.skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED)


def _show(summary: PrepareSummary, output: Path) -> None:
    for counts in summary.manifest.describe():
        typer.echo(f"{counts.split:>6}: {counts.real} real, {counts.fake} fake")
    told = {
        "given": "by the data set's boxes",
        "found": "found by YuNet",
        "kept": "taken as they are",
        "whole": "whole photographs without a face",
    }
    ways = ", ".join(
        f"{summary.ways[way]} {words}" for way, words in told.items() if way in summary.ways
    )
    typer.echo(f"{len(summary.manifest)} crops: {ways}")
    if summary.without_face:
        typer.echo(f"no face in {summary.without_face} photographs or frames: {summary.no_face}")
    for skipped in summary.skipped[:SHOWN]:
        typer.echo(f"skipped {skipped}", err=True)
    if len(summary.skipped) > SHOWN:
        typer.echo(
            f"skipped {len(summary.skipped) - SHOWN} more: see {output}/skipped.csv", err=True
        )
    typer.echo(f"written to {output}")
