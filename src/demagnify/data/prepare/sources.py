"""The files of a manifest: each is opened once, for all of its faces."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from demagnify.core.files import short_name
from demagnify.data import columns
from demagnify.data.manifest import Manifest
from demagnify.data.records import Record
from demagnify.data.storage import stamp

_LONGEST_NAME: Final = 200
"""Bytes of a file's name that are kept: with frame and number, 255 is the end of most systems."""


@dataclass(frozen=True, slots=True)
class Source:
    """A photograph or video with its records in the manifest.

    Attributes:
        path: The file.
        name: Its name below the manifest's folder.
        stem: Begin of its crops' names; different for all sources.
        rows: The numbers of its records in the manifest.
        records: These records.
    """

    path: Path
    name: str
    stem: str
    rows: tuple[int, ...]
    records: tuple[Record, ...]

    def digest(self) -> str:
        """Returns a digest of the file's stamp and of the places of the faces in it."""
        places = [(record.box, record.frame) for record in self.records]
        return hashlib.sha256(f"{stamp(self.path)}\n{places}".encode()).hexdigest()[:16]


class Sources(Sequence[Source]):
    """The files of a manifest in the order in which they first appear."""

    def __init__(self, manifest: Manifest) -> None:
        names = columns.encoded(manifest.table["file_name"])
        numbers = np.asarray(names.indices)
        self._table, self._root = manifest.table, manifest.root
        self._names: list[str] = names.dictionary.to_pylist()
        self._rows: NDArray[np.int64] = np.argsort(numbers, kind="stable")
        self._starts = np.searchsorted(numbers[self._rows], np.arange(len(self._names) + 1))
        self._order = columns.first_places(names.indices)
        self._shared = Counter(_without_suffix(name) for name in self._names)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> list[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | list[Source]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        number = self._order[index]
        rows = np.sort(self._rows[self._starts[number] : self._starts[number + 1]])
        records = tuple(columns.records(self._table.take(rows), self._root))
        return Source(
            path=records[0].path,
            name=self._names[number],
            stem=self._stem(self._names[number]),
            rows=tuple(int(row) for row in rows),
            records=records,
        )

    def __iter__(self) -> Iterator[Source]:
        return (self[place] for place in range(len(self)))

    def __len__(self) -> int:
        return len(self._order)

    def _stem(self, name: str) -> str:
        """Returns the name without its suffix, unless a.jpg stands beside a.png."""
        short = _without_suffix(name)
        folder, _, last = (short if self._shared[short] == 1 else name).lstrip("/").rpartition("/")
        last = short_name(last, _LONGEST_NAME, of=name)
        return f"{folder}/{last}" if folder else last


def _without_suffix(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122  Path would rewrite odd names
