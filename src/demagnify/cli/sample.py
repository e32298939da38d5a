"""`demagnify sample`: real photographs and face swaps made from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli.generate import Config, output, verb

if TYPE_CHECKING:
    from demagnify.data.sample import SampleConfig


@verb(
    "sample",
    output("runs/sample"),
    Config("demagnify.data.sample:SampleConfig", flags={"count": "--limit"}),
)
def sample(output: Path, config: SampleConfig) -> None:
    """Make a labelled sample set: real faces, and face swaps made from them.

    Writes 224x224 face crops as PNG, metadata.csv, and contact_sheet.png to look at. Splits
    go by source photograph. The photographs are about 1,000 of CelebA, for research only; they
    are fetched once.
    """
    from demagnify.data.sample import build_sample

    manifest = build_sample(output, config)
    for counts in manifest.describe():
        click.echo(f"{counts.split:>6}: {counts.real} real, {counts.fake} fake")
    click.echo(f"written to {output}; look at {output / 'contact_sheet.png'}")
