"""Room for what is made of many files, such as pixels: memory, or a file in the cache folder.

The file grows row by row, and a note beside it says from time to time how far it is, so that
an interrupted reading goes on where it was and nothing is made twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from demagnify.core.assets import cache_folder
from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_text
from demagnify.data.records import Skipped

Rows = NDArray[Any]
Make = Callable[[int], Iterator[Rows | Skipped]]

MEMORY_LIMIT: Final = 2**30
NOTE_EVERY: Final = 512


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
class Shelf:
    """What is stored for each file.

    Attributes:
        name: The folder in the cache.
        shape: Shape of a row.
        dtype: What a row is made of.
        memory_limit: How many bytes may stay in memory instead of going into a file.
        version: Changes when the same file would give another row.
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
    """How far a reading is.

    Attributes:
        done: How many files have been looked at.
        left_out: The numbers of those that are no images, and what they and the reasons are.
    """

    done: int = 0
    left_out: dict[int, Skipped] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.done - len(self.left_out)

    def take(self, result: Rows | Skipped) -> None:
        if isinstance(result, Skipped):
            self.left_out[self.done] = result
        self.done += 1

    def stored(self, rows: Rows) -> Stored:
        kept = np.delete(np.arange(self.done, dtype=np.int64), list(self.left_out))
        return Stored(rows, kept, list(self.left_out.values()))

    def write(self, path: Path) -> None:
        left_out = {number: asdict(skipped) for number, skipped in self.left_out.items()}
        write_text(path, json.dumps({"done": self.done, "left_out": left_out}))

    @classmethod
    def read(cls, path: Path) -> _Progress:
        if not path.is_file():
            return cls()
        content = json.loads(path.read_text(encoding="utf-8"))
        left_out = {int(key): Skipped(**value) for key, value in content["left_out"].items()}
        return cls(content["done"], left_out)


def filled(shelf: Shelf, files: Iterable[str], count: int, make: Make) -> Stored:
    """Returns a row for each of `files`, made unless an earlier run has kept them.

    Args:
        shelf: What a row is, and where they are kept.
        files: The files; name, size and time of change tell whether kept rows still hold.
        count: How many files there are.
        make: `make(first)` yields the row of every file from number `first` on, in order, or why
            there is none.

    Raises:
        BadOutputError: If the cache folder is needed and cannot be written to.
    """
    if count * shelf.row_bytes > shelf.memory_limit:
        path = cache_folder() / shelf.name / f"{_key(shelf, files)}.rows"
        return _mapped(path, shelf, count, make)
    rows = np.empty((count, *shelf.shape), dtype=shelf.dtype)
    progress = _Progress()
    for result in make(0):
        if not isinstance(result, Skipped):
            rows[progress.rows] = result
        progress.take(result)
    return progress.stored(rows[: progress.rows])


def _mapped(path: Path, shelf: Shelf, count: int, make: Make) -> Stored:
    note = path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            progress = _Progress.read(note)
            if _size(path) < progress.rows * shelf.row_bytes:  # the note has outlived the rows
                progress = _Progress()
            if progress.done < count:
                _append(path, note, progress, shelf, make)
    except OSError as error:
        raise BadOutputError(
            f"cannot write {path.parent}: {error.strerror or error}",
            hint="set DEMAGNIFY_CACHE to another folder",
        ) from error
    shape = (progress.rows, *shelf.shape)
    if not progress.rows:  # an empty file cannot be mapped
        return progress.stored(np.empty(shape, dtype=shelf.dtype))
    return progress.stored(np.memmap(path, dtype=shelf.dtype, mode="r", shape=shape))


def _append(path: Path, note: Path, progress: _Progress, shelf: Shelf, make: Make) -> None:
    """Makes what is not in the file yet, and notes how far it has come, however that ends."""
    with path.open("ab") as file:
        file.truncate(progress.rows * shelf.row_bytes)
        try:
            for result in make(progress.done):
                if not isinstance(result, Skipped):
                    file.write(np.asarray(result, dtype=shelf.dtype).tobytes())
                progress.take(result)
                if progress.done % NOTE_EVERY == 0:
                    _note(file, note, progress)
        finally:
            _note(file, note, progress)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _note(file: BinaryIO, note: Path, progress: _Progress) -> None:
    """Writes down how far it is, after the pixels themselves are on the disk."""
    file.flush()
    os.fsync(file.fileno())
    progress.write(note)


def _key(shelf: Shelf, files: Iterable[str]) -> str:
    digest = hashlib.sha256(f"{shelf.name} {shelf.version} {shelf.shape}\n".encode())
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116  a Path for each of a million is slow
            stamp = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            stamp = "missing"
        digest.update(f"{file}\0{stamp}\n".encode())
    return digest.hexdigest()[:32]
