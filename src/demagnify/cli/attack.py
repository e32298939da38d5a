"""`demagnify attack`: attacked copies of photographs or face crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli.console import Skips
from demagnify.cli.generate import PATH, Argument, Config, Option, output, verb

if TYPE_CHECKING:
    from demagnify.laundering.config import AttackConfig

_CONTENT = {"photos": "whole photographs", "crops": "face crops"}


@verb(
    "attack",
    Argument(
        "source",
        "Photographs or face crops: a folder of images, one with metadata.csv or real/ and fake/, "
        "a data set's annotation file, or a single photograph.",
        type=PATH,
        required=False,
    ),
    output("runs/attacked"),
    Option("--list", "list_names", "List the attacks and stop.", is_flag=True),
    Config(
        "demagnify.laundering.config:AttackConfig",
        flags={"attack": "--model", "content": "--photos/--crops"},
    ),
)
def attack(source: Path | None, output: Path, config: AttackConfig, *, list_names: bool) -> None:
    """Attack photographs or face crops: shrink faces, rebuild them with a network, paste back.

    Writes copies under the same names with what their files say (EXIF, colour profile),
    metadata.csv with labels carried along and PSNR and SSIM, faces.csv, skipped.csv, and
    beside the folder a figure of a few faces. What is done is not done again.
    """
    from demagnify.core.errors import BadConfigError
    from demagnify.transforms import ATTACKS

    if list_names:
        for name in ATTACKS:
            click.echo(name)
        return
    if source is None:
        raise BadConfigError("no photographs were given", hint="demagnify attack FOLDER OUTPUT")

    from demagnify.laundering.attack import attack as attack_files

    summary = attack_files(source, output, config, log=click.echo)
    if config.content == "auto":
        other = "--crops" if summary.content == "photos" else "--photos"
        click.echo(f"taken for {_CONTENT[summary.content]}; {other} if they are not")
    quality, attacked = summary.quality, summary.photos - summary.unattacked
    within = "" if summary.content == "crops" else f" in {attacked} photographs"
    click.echo(
        f"attacked {quality.count} faces{within}: PSNR {quality.psnr:.2f} dB, SSIM "
        f"{quality.ssim:.4f} against the originals; written to {summary.output}"
    )
    if summary.unattacked:
        click.echo(f"{summary.unattacked} are written unattacked: no face was found or chosen")
    click.echo(f"look at {summary.figure}")
    skips = Skips()
    for one in summary.skipped:
        skips(one)
    skips.end()
