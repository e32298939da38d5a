"""`demagnify attack`: attacked copies of photographs or face crops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.options import Device, Precision, Strict

if TYPE_CHECKING:
    from demagnify.laundering.attack import AttackSummary

_CONTENT = {"photos": "whole photographs", "crops": "face crops"}


def run(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Photographs or face crops: a folder of images, one with metadata.csv or real/ "
            "and fake/, a data set's annotation file, or a single photograph."
        ),
    ] = None,
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/attacked"),
    model: Annotated[
        str,
        typer.Option(
            help="An attack's name, the file of any super-resolution network that spandrel loads "
            "(.pth, .safetensors), package.module:function, or a chain: srgan-x4+jpeg-75+srgan-x4."
        ),
    ] = "srgan-x4",
    scale: Annotated[
        float | None, typer.Option(min=1, help="By how much faces are shrunk; the network's own.")
    ] = None,
    variant: Annotated[
        Literal["as-found", "fit-224", "up-then-down"] | None,
        typer.Option(
            help="In which order faces are resized: shrunk at their own size (as-found, the "
            "default), resized to 224 pixels first, or enlarged first."
        ),
    ] = None,
    photos: Annotated[
        bool | None,
        typer.Option(
            "--photos/--crops",
            help="Whole photographs, in which every face is found and attacked, or face crops, "
            "attacked as a whole. If neither is said: crops if all images are square and at most "
            "512 pixels wide and no boxes are known, else photographs.",
        ),
    ] = None,
    faces: Annotated[
        Literal["all", "fakes", "reals"],
        typer.Option(help="Which faces are attacked, by label; others are written as they are."),
    ] = "all",
    paste: Annotated[
        Literal["hard", "feather"],
        typer.Option(help="How a face is put back: with a hard edge, as published, or faded in."),
    ] = "hard",
    save_as: Annotated[
        Literal["png", "original"],
        typer.Option(help="Lossless PNG, or each file's own format with its JPEG quality."),
    ] = "png",
    batch_size: Annotated[int, typer.Option(min=1, help="Faces at once.")] = 16,
    list_names: Annotated[bool, typer.Option("--list", help="List the attacks and stop.")] = False,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "float32",
) -> None:
    """Attack photographs or face crops: shrink faces, rebuild them with a network, paste back.

    Writes copies under the same names with what their files say (EXIF, colour profile),
    `metadata.csv` with labels carried along and PSNR and SSIM, `faces.csv`, `skipped.csv`, and
    beside the folder a picture of a few faces. What is done is not done again.
    """
    from demagnify.core.errors import BadConfigError
    from demagnify.transforms import ATTACKS

    if list_names:
        for name in ATTACKS:
            typer.echo(name)
        return
    if source is None:
        raise BadConfigError("no photographs were given", hint="demagnify attack FOLDER OUTPUT")

    # These import torch, which a list needs not.
    from demagnify.laundering.attack import attack
    from demagnify.laundering.config import AttackConfig

    config = AttackConfig(
        attack=model,
        scale=scale,
        variant=variant,
        content="auto" if photos is None else "photos" if photos else "crops",
        faces=faces,
        paste=paste,
        save_as=save_as,
        batch_size=batch_size,
        strict=strict,
        device=device,
        precision=precision,
    )
    summary = attack(source, output, config, log=typer.echo)
    if photos is None:
        other = "--crops" if summary.content == "photos" else "--photos"
        typer.echo(f"taken for {_CONTENT[summary.content]}; {other} if they are not")
    quality = summary.quality
    typer.echo(
        f"attacked {quality.count} faces{_in_photos(summary)}: PSNR {quality.psnr:.2f} dB, SSIM "
        f"{quality.ssim:.4f} against the originals; written to {summary.output}"
    )
    if summary.unattacked:
        typer.echo(f"{summary.unattacked} are written unattacked: no face was found or chosen")
    typer.echo(f"look at {summary.figure}")
    for skipped in summary.skipped:
        typer.echo(f"skipped {skipped}", err=True)
    if summary.skipped:
        raise typer.Exit(EXIT_SOME_SKIPPED)


def _in_photos(summary: AttackSummary) -> str:
    return (
        ""
        if summary.content == "crops"
        else f" in {summary.photos - summary.unattacked} photographs"
    )
