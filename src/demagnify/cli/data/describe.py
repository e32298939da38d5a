"""`demagnify data describe`: what is in a data set, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.options import Strict

if TYPE_CHECKING:
    from rich.console import Console

    from demagnify.data.describe.description import Crossing, Description

_SHOWN = 10


def run(
    source: Annotated[
        Path, typer.Argument(help="The data set: a folder, a table or an annotation file.")
    ],
    format_name: Annotated[
        str | None,
        typer.Option("--format", help="The data set's format; told by its files if not given."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for description.json and a picture, description.png."),
    ] = None,
    hashes: Annotated[
        bool,
        typer.Option(
            "--hash/--no-hash",
            help="Look for duplicates across splits, for which every image is decoded once.",
        ),
    ] = True,
    distance: Annotated[
        int,
        typer.Option(min=0, max=8, help="Bits of 64 in which hashes of near duplicates differ."),
    ] = 2,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting of the format, such as view=scene.", metavar="KEY=VALUE"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole description as JSON instead.")
    ] = False,
    strict: Strict = False,
) -> None:
    """Describe a data set: labels, imbalance, sizes, and what crosses its splits.

    Groups in two splits, and images that are in two splits in the same or nearly the same form,
    make figures better than they are; inputs under both labels make them worse.
    """
    from rich.console import Console

    from demagnify.core.files import write_text
    from demagnify.data import Manifest
    from demagnify.data.describe import describe
    from demagnify.data.describe.figure import save_figure

    chosen = _parse_settings(settings or [])
    manifest = Manifest.load(source, format=format_name, strict=strict, **chosen)
    description = describe(manifest, hashes=hashes, distance=distance)
    if out is not None:
        write_text(out / "description.json", description.model_dump_json(indent=2) + "\n")
        save_figure(description, out / "description.png")
    if as_json:
        typer.echo(description.model_dump_json(indent=2))
    else:
        # Names of splits and files are no markup.
        _show(description, Console(markup=False, emoji=False, highlight=False))
        if out is not None:
            typer.echo(f"look at {out / 'description.png'}")
    if description.left_out:
        raise typer.Exit(EXIT_SOME_SKIPPED)


def _parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """Returns KEY=VALUE by key; the format turns the values into what it needs."""
    from demagnify.core.errors import BadConfigError

    pairs = [setting.partition("=") for setting in settings]
    for setting, (key, equals, _) in zip(settings, pairs, strict=True):
        if not key.isidentifier() or not equals or key in ("format", "strict", "source"):
            raise BadConfigError(f"--set takes KEY=VALUE, not {setting!r}")
    return {key: value for key, _, value in pairs}


def _show(description: Description, console: Console) -> None:
    from rich.table import Table

    table = Table(title=f"{description.source}: {description.images} images", title_justify="left")
    for head in ("split", "real", "fake", "fakes per real", "groups", "shorter side (5-50-95 %)"):
        table.add_column(head, justify="left" if head == "split" else "right")
    for split in description.splits:
        sizes = split.sizes
        table.add_row(
            split.name,
            str(split.real),
            str(split.fake),
            "no real" if split.imbalance is None else f"{split.imbalance:.2f}",
            str(split.groups),
            "unknown" if sizes is None else f"{sizes.low} - {sizes.median} - {sizes.high} px",
        )
    console.print(table)
    _show_crossings(console, description.shared_groups, "groups of {0} are in {1} too")
    _show_crossings(console, description.identical, "images of {0} are in {1} too, pixel by pixel")
    near = f"images of {{0}} have a near duplicate in {{1}} (within {description.distance} bits)"
    _show_crossings(console, description.near, near)
    for conflict in description.conflicts:
        what = {"name": "files", "pixels": "pictures"}[conflict.kind]
        console.print(
            f"{conflict.inputs} {what} stand under both labels, in {conflict.images} records, "
            f"such as {', '.join(conflict.examples)}"
        )
    if not (description.shared_groups or description.near or description.conflicts):
        compared = f"{description.hashed} images compared" if description.hashed else "groups only"
        console.print(f"nothing crosses the splits, and no label contradicts another ({compared})")
    if description.unprepared:
        console.print(
            f"{description.unprepared} faces have yet to be cut out: demagnify data prepare"
        )
    for one in description.left_out[:_SHOWN]:
        console.print(f"skipped {one.where}: {one.reason}")
    if len(description.left_out) > _SHOWN:
        console.print(f"... and {len(description.left_out) - _SHOWN} more; --json lists them all")


def _show_crossings(console: Console, crossings: Sequence[Crossing], words: str) -> None:
    for crossing in crossings:
        examples = "; ".join(
            one if one == other else f"{one} = {other}" for one, other in crossing.examples
        )
        line = words.format(crossing.split, crossing.other)
        console.print(f"{crossing.count} {line}, such as {examples}")
