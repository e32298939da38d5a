"""`demagnify report`: the page and the tables of a finished evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    folder: Annotated[Path, typer.Argument(help="What evaluate or demo wrote.")] = Path(
        "runs/demo"
    ),
) -> None:
    """Write the report again from results.json, predictions.csv and the examples alone.

    Makes report.html, which stands by itself, and the tables as Markdown and LaTeX.
    """
    from demagnify.evaluation.report import write_report

    files = write_report(folder)
    for path in (files.html, files.markdown, files.latex):
        typer.echo(f"wrote {path}")
