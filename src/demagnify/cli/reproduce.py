"""`demagnify reproduce`: the paper's Tables 1 to 3 on one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from demagnify.cli.console import Skips, command_line, plain_console, say, show_figures
from demagnify.cli.data import FORMAT, STRICT, FormatOptions
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument

if TYPE_CHECKING:
    from demagnify.evaluation.reproduce import ReproduceConfig


@verb(
    "reproduce",
    Argument("source", "The data set, such as OpenForensics as unpacked.", type=PATH),
    Argument("output", "Folder to write to.", type=PATH, default="runs/paper"),
    FORMAT,
    STRICT,
    Config("demagnify.evaluation.reproduce:ReproduceConfig", flags={"attacks": "--attack"}),
    FormatOptions(skip=("seed",)),
)
def reproduce(
    source: Path,
    output: Path,
    config: ReproduceConfig,
    settings: dict[str, Any],
    *,
    format_name: str | None,
    strict: bool,
) -> None:
    """Run the paper's experiment: its Tables 1 to 3, beside the published figures.

    Cuts out the faces, trains a ResNet-50 and the paper's agent, and evaluates both on val and
    test. Writes faces/, detector/, defense/, report.html and comparison.md. A killed run goes on
    where it was.
    """
    from demagnify.data import Manifest
    from demagnify.evaluation.reproduce import reproduce as run

    manifest = Manifest.load(source, format=format_name, strict=strict, **settings)
    skips = Skips()
    _result, table = run(manifest, output, config, command=command_line(), log=say, on_skip=skips)
    show_figures(plain_console(), table)
    say(f"look at {output / 'report.html'}")
    skips.end()
