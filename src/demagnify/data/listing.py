"""What is in a folder of a data set, in one order everywhere, and that it cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from demagnify.core.errors import BadManifestError, first_line


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system says against reading `path` into one line for the user."""
    try:
        yield
    except OSError as error:
        raise BadManifestError(f"{path}: cannot be read: {first_line(error)}") from error


def entries(folder: Path) -> list[Path]:
    """Returns what is in a folder, sorted.

    Raises:
        BadManifestError: If the folder cannot be read.
    """
    with reading(folder):
        return sorted(folder.iterdir())


def subfolders(folder: Path, *, hidden: bool = False) -> list[Path]:
    """Returns the folders in a folder, sorted; hidden ones only if asked for; see `entries`."""
    return [one for one in entries(folder) if one.is_dir() and (hidden or one.name[0] != ".")]


def levels(place: Path, *, deep: int = 2, most: int | None = None) -> Iterator[list[Path]]:
    """Yields a folder, then those in it, and so on; a caller may take some out of a list.

    Left out are hidden folders, and those that may not be looked into.

    Args:
        place: The folder.
        deep: How many levels there are below it.
        most: Folders of a level, at most.
    """
    level = [place]
    for _ in range(deep + 1):
        yield level
        level = list(islice((one for folder in level for one in _readable(folder)), most))


def _readable(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            names = sorted(one.name for one in found if one.name[0] != "." and one.is_dir())
    except OSError:
        return
    yield from (one for name in names if os.access(one := folder / name, os.R_OK | os.X_OK))
