"""`demagnify export`: a detector or defence as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli.console import say
from demagnify.cli.generate import PATH, Argument, Option, verb

if TYPE_CHECKING:
    from demagnify.inference.export import InputType


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
)
def export(source: str, output: Path, takes: InputType) -> None:
    """Write a detector or a defence as one ONNX file that runs without torch.

    Resizing, corrections and scaling are inside; name, threshold, corrections, fingerprint and a
    SHA-256 over the file are in its metadata. The file is compared with torch before the command
    ends. `demagnify detect --defense model.onnx` uses it.
    """
    from demagnify.inference.export import export as write

    written = write(source, output, takes=takes, log=say)
    say(f"{output}: {written.name}, {output.stat().st_size / 2**20:.1f} MiB")
