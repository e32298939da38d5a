"""`demagnify data ...`: looking at data sets, and getting them ready."""

from __future__ import annotations

import typer

from demagnify.cli.data import describe, prepare

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at data sets, and get them ready: **describe**, **prepare**.",
)
app.command("describe")(describe.run)
app.command("prepare")(prepare.run)
