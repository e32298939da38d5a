"""Annotation files in JSON, which may be large or damaged, and the files that they name."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from demagnify.core.errors import BadManifestError
from demagnify.core.printing import storable
from demagnify.data.listing import reading

Skip = Callable[[str, str], None]
"""Gets what a reader leaves out: where it stands, and what is wrong with it."""

LARGEST: Final = 1e9
"""Larger numbers are no pixels and no frames."""


def read_json(path: Path, *, without: Collection[str] = ()) -> object:
    """Returns the content of a JSON file.

    Args:
        path: The file; UTF-8, with or without a byte order mark.
        without: Keys that are dropped from every object as soon as it is read, so that long
            unused lists (polygons) never pile up in memory.

    Raises:
        BadManifestError: If the file cannot be read, or is not JSON; the message says where.
    """

    def lighten(item: dict[str, Any]) -> dict[str, Any]:
        for key in without:
            item.pop(key, None)
        return item

    with reading(path):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, object_hook=lighten if without else None)
    except UnicodeDecodeError as error:
        raise BadManifestError(
            f"{path}: is not UTF-8, from byte {error.start}", hint="save it as UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise BadManifestError(*_complaint(path, error)) from error
    except RecursionError as error:
        raise BadManifestError(f"{path}: is nested too deeply to be read") from error
    except ValueError as error:  # a number of thousands of digits
        raise BadManifestError(f"{path}: is not JSON that can be read: {error}") from error


def _complaint(path: Path, error: json.JSONDecodeError) -> tuple[str]:
    place = f"line {error.lineno}, column {error.colno}"
    text = error.doc.rstrip()
    if not text:
        return (f"{path}: the file is empty",)
    ended = text.endswith(("}", "]")) and not error.msg.startswith("Unterminated")
    if error.pos >= len(text) or not ended:
        return (f"{path}: the file is cut off at {place}; copy or download it again",)
    return (f"{path}: is not JSON: {error.msg}, {place}",)


def number(value: object) -> float | None:
    """Returns a finite number of sensible size, or None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Not math.isfinite, which fails on whole numbers beyond all floats.
    return float(value) if abs(value) <= LARGEST else None


def identifier(value: object) -> int | str | None:
    """Returns an id, a whole number or a text that is not empty, or None."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        return None
    return int(value)


def shown(value: object) -> str:
    """Returns a value as it may stand in a message: on one line, and short."""
    text = storable(value if isinstance(value, str) else repr(value))
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 60 else f"{text[:57]}..."


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
        return ""  # the reader reports why it cannot be read


class Locator:
    r"""Finds files by name below a few folders.

    Names may be relative or absolute, with `/` or `\`, written on another machine: leading
    folders are left out one by one until there is such a file.

    Args:
        bases: The folders to look in, all absolute, the likeliest first.
        least_parts: How many of the last parts of a name must stay, so that `frames/071/000.png`
            is never taken for any other `000.png`.
    """

    def __init__(self, bases: Sequence[Path], *, least_parts: int = 1) -> None:
        self.bases = list(dict.fromkeys(bases))
        self._least_parts = least_parts
        self._used: dict[tuple[Path, int], None] = {}

    @property
    def root(self) -> Path:
        """The folder that all files that were found lie in."""
        return Path(os.path.commonpath([base for base, _ in self._used] or self.bases[:1]))

    @property
    def places(self) -> str:
        """Where files are looked for, for messages."""
        return ", ".join(str(base) for base in self.bases)

    def find(self, name: str) -> Path | None:
        """Returns the file that is called `name`, or None if there is none.

        Raises:
            BadManifestError: If the name is empty, leads upwards, or cannot be a file's.
        """
        parts = _parts(name)
        for way in (*self._used, *self._ways(len(parts))):
            base, dropped = way
            if len(parts) - dropped < min(self._least_parts, len(parts)):
                continue
            path = base.joinpath(*parts[dropped:])
            if is_file(path):
                self._used.setdefault(way)
                return path
        absolute = Path(name)
        if absolute.is_absolute() and is_file(absolute):
            self._used.setdefault((Path(absolute.anchor), 0))
            return absolute
        return None

    def _ways(self, count: int) -> Iterator[tuple[Path, int]]:
        for dropped in range(max(count - self._least_parts, 0) + 1):
            for base in self.bases:
                yield base, dropped


def is_file(path: Path) -> bool:
    """Whether there is such a file; odd and overlong names are none (`Path.is_file` raises)."""
    return os.path.isfile(path)  # noqa: PTH113


def _parts(name: str) -> list[str]:
    if any(letter in name for letter in "\0\r\n"):
        raise BadManifestError(f"{name!a} cannot be the name of a file")
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and len(parts[0]) == 2 and parts[0].endswith(":"):
        parts = parts[1:]
    if not parts:
        raise BadManifestError("the file name is empty")
    if os.pardir in parts:
        raise BadManifestError(f"{name} leads out of its folder")
    return parts


def absolute(path: Path) -> Path:
    """Returns a path without `..` that says the same from everywhere; links are not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100  Path.absolute keeps ".."


def natural_key(name: str) -> tuple[list[int], str]:
    """Returns a sorting key that puts frame 2 before frame 10."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    return [int(digits[:18]) for digits in re.findall(r"[0-9]+", stem)], name
