"""Room for the pixels of many faces: memory, or a file when memory would not do.

The file grows face by face, and a note beside it says from time to time how far it is, so that
an interrupted reading goes on where it was and no photograph is decoded twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from demagnify.assets import cache_folder
from demagnify.data.records import Skipped
from demagnify.errors import BadOutputError
from demagnify.files import write_text

Pixels = NDArray[np.uint8]
Decode = Callable[[int], Iterator[Pixels | Skipped]]

MEMORY_LIMIT: Final = 2**30
NOTE_EVERY: Final = 512


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded faces.

    Attributes:
        images: uint8 (n, 3, S, S); in memory or a memory map.
        kept: Which of the files the n images are, by number.
        skipped: The files that are no images.
    """

    images: Pixels
    kept: NDArray[np.int64]
    skipped: list[Skipped]


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

    def take(self, result: Pixels | Skipped) -> None:
        if isinstance(result, Skipped):
            self.left_out[self.done] = result
        self.done += 1

    def stored(self, images: Pixels) -> Stored:
        kept = np.delete(np.arange(self.done, dtype=np.int64), list(self.left_out))
        return Stored(images, kept, list(self.left_out.values()))

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


def filled(files: Iterable[str], count: int, size: int, decode: Decode) -> Stored:
    """Returns the pixels of `files`, decoded unless an earlier run has kept them.

    Args:
        files: The files; name, size and time of change tell whether kept pixels still hold.
        count: How many files there are.
        size: Side S of each image in pixels.
        decode: `decode(first)` yields the pixels, uint8 (3, S, S), of every file from number
            `first` on, in order, or why there are none.

    Raises:
        BadOutputError: If the cache folder is needed and cannot be written to.
    """
    if count * 3 * size * size > MEMORY_LIMIT:
        return _mapped(cache_folder() / "faces" / f"{_key(files, size)}.u8", count, size, decode)
    images = np.empty((count, 3, size, size), dtype=np.uint8)
    progress = _Progress()
    for result in decode(0):
        if not isinstance(result, Skipped):
            images[progress.rows] = result
        progress.take(result)
    return progress.stored(images[: progress.rows])


def _mapped(path: Path, count: int, size: int, decode: Decode) -> Stored:
    note = path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            progress = _Progress.read(note)
            if _size(path) < progress.rows * 3 * size * size:  # the note has outlived the pixels
                progress = _Progress()
            if progress.done < count:
                _append(path, note, progress, size, decode)
    except OSError as error:
        raise BadOutputError(
            f"cannot write {path.parent}: {error.strerror or error}",
            hint="set DEMAGNIFY_CACHE to another folder",
        ) from error
    shape = (progress.rows, 3, size, size)
    if not progress.rows:  # an empty file cannot be mapped
        return progress.stored(np.empty(shape, dtype=np.uint8))
    return progress.stored(np.memmap(path, dtype=np.uint8, mode="r", shape=shape))


def _append(path: Path, note: Path, progress: _Progress, size: int, decode: Decode) -> None:
    """Decodes what is not in the file yet, and notes how far it has come, however that ends."""
    with path.open("ab") as file:
        file.truncate(progress.rows * 3 * size * size)
        results = decode(progress.done)
        try:
            for result in results:
                if not isinstance(result, Skipped):
                    file.write(np.ascontiguousarray(result).data)
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


def _key(files: Iterable[str], size: int) -> str:
    digest = hashlib.sha256(f"faces v2 {size}\n".encode())
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116  a Path for each of a million is slow
            stamp = f"{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            stamp = "missing"
        digest.update(f"{file}\0{stamp}\n".encode())
    return digest.hexdigest()[:32]
