"""`demagnify sample`: real photographs and face swaps made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli.options import Seed


def run(
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/sample"),
    photos: Annotated[
        Path | None,
        typer.Option(help="Make swaps from the photographs in this folder instead of CelebA's."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=4, help="Use only so many photographs.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a labelled sample set: real faces, and face swaps made from them.

    Writes 224x224 face crops as PNG, `metadata.csv`, and `contact_sheet.png` to look at. Splits
    go by source photograph. The photographs are about 1,000 of CelebA, for research only; they
    are fetched once.
    """
    from demagnify.data.sample import build_sample

    manifest = build_sample(output, seed=seed, photos=photos, limit=limit)
    for counts in manifest.describe():
        typer.echo(f"{counts.split:>6}: {counts.real} real, {counts.fake} fake")
    typer.echo(f"written to {output}; look at {output / 'contact_sheet.png'}")
