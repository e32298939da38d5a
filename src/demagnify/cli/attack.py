"""`demagnify attack`: attacked copies of face crops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.options import Device, Strict


def run(
    source: Annotated[
        Path | None,
        typer.Argument(help="Face crops: a folder of images, or one with metadata.csv."),
    ] = None,
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/attacked"),
    model: Annotated[
        str,
        typer.Option(
            help="An attack's name, or the file of any super-resolution network that spandrel "
            "loads (.pth, .safetensors)."
        ),
    ] = "srgan-x4",
    scale: Annotated[
        int | None, typer.Option(min=1, help="By how much faces are shrunk; the network's own.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Faces at once.")] = 16,
    list_names: Annotated[bool, typer.Option("--list", help="List the attacks and stop.")] = False,
    strict: Strict = False,
    device: Device = "auto",
) -> None:
    """Attack face crops: shrink, rebuild with a super-resolution network, back to size.

    Writes PNG files under the same names, `metadata.csv` with labels carried along and PSNR and
    SSIM per face, `skipped.csv`, and beside the folder a picture of a few faces. What is done is
    not done again.
    """
    from demagnify import attacks
    from demagnify.errors import BadConfigError

    if list_names:
        for name in attacks.names():
            typer.echo(name)
        return
    if source is None:
        raise BadConfigError("no faces were given", hint="demagnify attack FOLDER OUTPUT")

    from demagnify.attacks.folder import attack_folder  # imports torch, which a list needs not

    summary = attack_folder(
        source,
        output,
        attacks.create(model, scale=scale, device=device),
        batch_size=batch_size,
        strict=strict,
    )
    quality = summary.quality
    typer.echo(
        f"attacked {quality.count} faces: PSNR {quality.psnr:.2f} dB, SSIM {quality.ssim:.4f} "
        f"against the originals; written to {summary.output}"
    )
    typer.echo(f"look at {summary.picture}")
    for skipped in summary.skipped:
        typer.echo(f"skipped {skipped}", err=True)
    if summary.skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED)
