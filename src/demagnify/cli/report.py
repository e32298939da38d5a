"""`demagnify report`: the page and the tables of a finished evaluation."""

from __future__ import annotations

from pathlib import Path

import click

from demagnify.cli.generate import PATH, Argument, verb


@verb(
    "report",
    Argument("folder", "What evaluate or demo wrote.", type=PATH, default="runs/demo"),
)
def report(folder: Path) -> None:
    """Write the report again from results.json, predictions.csv and the examples alone.

    Makes report.html, which stands by itself, and the tables as Markdown and LaTeX.
    """
    from demagnify.evaluation.report import write_report

    files = write_report(folder)
    for path in (files.html, files.markdown, files.latex):
        click.echo(f"wrote {path}")
