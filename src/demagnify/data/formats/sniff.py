"""Tells what a JSON file holds by its first bytes: some files are too large to try."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

HEAD: Final = 65_536
_KEY: Final = r'"((?:[^"\\]|\\.)*)"'
_OPEN: Final = r"\s*\{\s*"
_FIRST: Final = re.compile(_OPEN + _KEY + r"\s*:")
_NEXT: Final = re.compile(_KEY + r"\s*:" + _OPEN)


def starts_with_keys(path: Path, keys: Collection[str]) -> bool:
    """Whether the file is a JSON object whose first key is one of `keys`."""
    first = _FIRST.match(_head(path))
    return first is not None and first[1] in keys


def first_path(path: Path) -> list[str]:
    """Returns the first key of the object in the file, the first key of its value, and so on.

    As far as values are objects in their turn; nothing if the file holds no object.
    """
    text = _head(path)
    opened = re.match(_OPEN, text)
    keys: list[str] = []
    place = opened.end() if opened else len(text)
    while step := _NEXT.match(text, place):
        keys.append(step[1])
        place = step.end()
    return keys


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return ""  # whoever reads it will say why it cannot be read
