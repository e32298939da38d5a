"""Reports of runs in a folder, and their addresses; nothing else in it can be reached."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from demagnify.core.printing import count

PREFIX: Final = "/reports/"
_NAMES: Final = ("report.html", "index.html")
_DEPTH: Final = 3
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


def found(folder: Path) -> dict[str, Path]:
    """Returns the reports under a folder by their path in it.

    Those are report.html of evaluate and demo, and index.html of detect --report.
    """
    paths = [
        path
        for depth in range(1, _DEPTH + 1)
        for name in _NAMES
        for path in folder.glob("*/" * (depth - 1) + name)
        if path.is_file()
    ]
    return {path.relative_to(folder).as_posix(): path for path in sorted(paths)}


def how_many(names: Collection[str]) -> str:
    """Returns how many reports there are, and how to get one where there is none."""
    if names:
        return f"{count(len(names), 'report')}: choose one above."
    return "There is no report yet: <code>demagnify demo</code> writes one."


def address(name: str) -> str:
    """Returns the address of a report."""
    return PREFIX + quote(name)


def router(folder: Path) -> APIRouter:
    """Returns the routes to the reports under a folder."""
    routes = APIRouter()

    async def report(name: str) -> Response:
        path = found(folder).get(name)
        if path is None:
            raise HTTPException(404, "there is no such report")
        headers = {"Content-Security-Policy": _POLICY}
        return FileResponse(path, media_type="text/html", headers=headers)

    routes.get(PREFIX + "{name:path}")(report)
    return routes
