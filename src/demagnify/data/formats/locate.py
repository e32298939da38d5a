"""Finds the files that an annotation file names, wherever the data set has been moved to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from demagnify.core.errors import BadManifestError


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
