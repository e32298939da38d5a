"""`demagnify export`: a detector or defence as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli.console import say
from demagnify.cli.generate import verb
from demagnify.cli.options import PATH, Argument, Option

if TYPE_CHECKING:
    from demagnify.inference.runtime import InputType


@verb(
    "export",
    Argument("source", "A defence or detector: a shipped name, a folder, or any detector."),
    Argument("output", "The file to write.", type=PATH, default="model.onnx"),
    Option(
        "--input",
        "takes",
        "What the file takes: uint8 RGB 0-255, or float RGB in [0, 1]; N x 3 x H x W of any size.",
        "default: uint8",
        type=click.Choice(["uint8", "float"]),
        default="uint8",
    ),
    Option(
        "--calibration",
        "calibration",
        "A folder that calibrate wrote.",
        "default: that of the source",
        type=PATH,
    ),
    Option("--overwrite", "overwrite", "Replace a file that is there.", is_flag=True),
)
def export(
    source: str, output: Path, takes: InputType, calibration: Path | None, *, overwrite: bool
) -> None:
    """Write a detector or a defence as one ONNX file that runs without torch.

    Resizing, corrections and scaling are inside; name, threshold, corrections, fingerprint and a
    SHA-256 over the file are in its metadata, and the calibration if there is one. The file is
    compared with torch before the command ends; one that is there
    already, the same, is left as it is. `demagnify detect --defense model.onnx` uses it.
    """
    from demagnify.inference.export import export as write

    written = write(
        source, output, takes=takes, calibration=calibration, overwrite=overwrite, log=say
    )
    calibrated = "calibrated" if written.notes.calibration else "not calibrated"
    size = output.stat().st_size / 2**20
    say(f"{output}: {written.name}, {size:.1f} MiB, {calibrated}")
