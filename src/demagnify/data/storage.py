"""Rows that are made of many files, such as pixels: in memory, or in a file in the cache folder.

The file grows row by row, so that an interrupted reading goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core.array_files import ArrayFile
from demagnify.core.assets import CACHE_HINT, writable_cache
from demagnify.core.runs import hold
from demagnify.data.records import Skipped

Rows = NDArray[Any]
Make = Callable[[int], Iterator[Rows | Skipped]]

MEMORY_LIMIT: Final = 2**30
NOTE_EVERY: Final = 256
"""Files between two notes; more often than `ArrayFile` writes its own, which know no files."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of numbers for each file, such as its pixels.

    Attributes:
        rows: (n, ...); in memory or a memory map.
        kept: Which of the files the n rows are of, by number.
        skipped: The files that gave none.
    """

    rows: Rows
    kept: NDArray[np.int64]
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class RowSpec:
    """Shape and place of the row that is stored for each file.

    Attributes:
        name: The folder in the cache.
        shape: Shape of a row.
        dtype: Data type of a row.
        memory_limit: Up to so many bytes stay in memory.
        version: Changes when the same file gives another row.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    memory_limit: int
    version: str

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(slots=True)
class _Progress:
    """The number of files that have been read, and those that are left out, by number."""

    done: int = 0
    left_out: dict[int, Skipped] = field(default_factory=dict)

    def add(self, result: Rows | Skipped) -> None:
        if isinstance(result, Skipped):
            self.left_out[self.done] = result
        self.done += 1

    def places(self) -> NDArray[np.int64]:
        """Returns the number of the file of each row."""
        return np.delete(np.arange(self.done, dtype=np.int64), list(self.left_out))

    def stored(self, rows: Rows) -> Stored:
        return Stored(rows, self.places(), list(self.left_out.values()))

    def write(self) -> dict[str, Any]:
        left_out = {number: asdict(skipped) for number, skipped in self.left_out.items()}
        return {"done": self.done, "left_out": left_out}

    @classmethod
    def of(cls, array: ArrayFile) -> _Progress:
        """Returns the progress of a file, of which damaged rows at the end may be gone."""
        note = array.extra or {"done": 0, "left_out": {}}
        left_out = {int(number): Skipped(**one) for number, one in note["left_out"].items()}
        progress = cls(note["done"], left_out)
        places = progress.places()
        if array.count < len(places):
            done = int(places[array.count])
            return cls(done, {number: one for number, one in left_out.items() if number < done})
        return progress


def filled(spec: RowSpec, files: Iterable[str], count: int, make: Make) -> Stored:
    """Returns a row for each of `files`, made unless an earlier run has stored them.

    Args:
        spec: Shape and place of the rows.
        files: The files; stored rows hold as long as name, size and time of change are the same.
        count: How many files there are.
        make: `make(first)` yields the row of every file from number `first` on, in order, or why
            there is none.

    Raises:
        BadOutputError: If the cache folder is needed and cannot be written to.
    """
    if count * spec.row_bytes <= spec.memory_limit:
        rows = np.empty((count, *spec.shape), dtype=spec.dtype)
        progress = _Progress()
        for result in make(0):
            if not isinstance(result, Skipped):
                rows[progress.done - len(progress.left_out)] = result
            progress.add(result)
        return progress.stored(rows[: progress.done - len(progress.left_out)])
    path = writable_cache() / spec.name / f"{_key(spec, files)}.npy"
    with hold(path.with_suffix(".lock"), hint=CACHE_HINT):
        array = ArrayFile(path, spec.shape, spec.dtype)
        progress = _Progress.of(array)
        if progress.done < count:
            _append(array, progress, make)
    return progress.stored(array.rows(in_memory=False))


def _append(array: ArrayFile, progress: _Progress, make: Make) -> None:
    """Makes the rows that are not in the file yet; however that ends, the note is right."""
    with array.writing() as writer:
        try:
            for result in make(progress.done):
                progress.add(result)
                if not isinstance(result, Skipped):
                    writer.append(np.asarray(result)[None], extra=progress.write)
                if progress.done % NOTE_EVERY == 0:
                    writer.note(progress.write())
        finally:
            writer.note(progress.write())


def stamp(path: str | Path) -> str:
    """Returns size and time of change of a file; "missing" if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116  Path.stat is slow, and fails on odd names
    except (OSError, ValueError):
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _key(spec: RowSpec, files: Iterable[str]) -> str:
    digest = hashlib.sha256(f"{spec.name} {spec.version} {spec.shape}\n".encode())
    for file in files:
        digest.update(f"{file}\0{stamp(file)}\n".encode())
    return digest.hexdigest()[:32]
