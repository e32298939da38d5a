"""`demagnify adaptive-attack`: for each face the best of many attacks on one detector."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli.console import Skips
from demagnify.cli.generate import PATH, Argument, Config, output, verb

if TYPE_CHECKING:
    from demagnify.evaluation.adaptive import AdaptiveConfig


@verb(
    "adaptive-attack",
    Argument("data", "Labelled faces: a folder with metadata.csv, or its CSV.", type=PATH),
    output("runs/adaptive"),
    Config(
        "demagnify.evaluation.adaptive:AdaptiveConfig",
        flags={
            "attacks": "--attack",
            "targets": "--faces",
            "stop_at_success": "--stop-at-success/--best-of-budget",
        },
    ),
)
def adaptive_attack(data: Path, output: Path, config: AdaptiveConfig) -> None:
    """Attack a detector with the best of many attacks for each face, by its scores alone.

    A defended detector is attacked as it is, and once more without its defence, to compare.
    Writes faces/ (PNG files with metadata.csv: a data set that evaluate and all others read),
    adaptive.json and adaptive.png. Stopped, the same command goes on where it was.
    """
    from demagnify.evaluation.adaptive import adaptive_attack as attack
    from demagnify.evaluation.adaptive import summarize

    command = shlex.join(["demagnify", *sys.argv[1:]])
    result = attack(data, output, config, command=command).result
    for line in summarize(result):
        click.echo(line)
    click.echo(f"look at {output / 'adaptive.png'}; the faces are in {output / 'faces'}")
    skips = Skips()
    for one in result.skipped:
        skips(f"{one.name}: {one.reason}")
    skips.end()
