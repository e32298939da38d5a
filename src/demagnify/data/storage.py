"""Room for the pixels of many faces: memory, or a file when memory would not do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from demagnify.assets import cache_folder
from demagnify.data.records import Skipped
from demagnify.errors import BadOutputError
from demagnify.files import atomic_path, write_text

Pixels = NDArray[np.uint8]
Fill = Callable[[Pixels], tuple[list[int], list[Skipped]]]

MEMORY_LIMIT: Final = 2**30


@dataclass(frozen=True, slots=True)
class Stored:
    """Decoded faces.

    Attributes:
        images: uint8 (n, 3, S, S).
        kept: Which of the files the n images are, by number.
        skipped: The files that are no images.
    """

    images: Pixels
    kept: list[int]
    skipped: list[Skipped]


def filled(files: Sequence[Path], size: int, fill: Fill) -> Stored:
    """Returns the pixels of `files`, decoded by `fill` unless an earlier run has kept them.

    Args:
        files: The files; name, size and time of change tell whether kept pixels still hold.
        size: Side S of each image in pixels.
        fill: Decodes all files into the first rows of a uint8 array (N, 3, S, S); returns the
            numbers of the files that these rows are, and what was skipped.

    Raises:
        BadOutputError: If the cache folder is needed and cannot be written to.
    """
    shape = (len(files), 3, size, size)
    if np.prod(shape, dtype=np.int64) <= MEMORY_LIMIT:
        images = np.empty(shape, dtype=np.uint8)
        kept, skipped = fill(images)
        return Stored(images[: len(kept)], kept, skipped)
    return _mapped(cache_folder() / "faces" / f"{_key(files, size)}.npy", shape, fill)


def _mapped(path: Path, shape: tuple[int, ...], fill: Fill) -> Stored:
    notes = path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutputError(
            f"cannot write {path.parent}: {error.strerror or error}",
            hint="set DEMAGNIFY_CACHE to another folder",
        ) from error
    with FileLock(path.with_suffix(".lock")):
        if not notes.is_file():
            with atomic_path(path) as temporary:
                images = np.lib.format.open_memmap(
                    temporary, mode="w+", dtype=np.uint8, shape=shape
                )
                kept, skipped = fill(images)
                images.flush()
            pairs = [[line.where, line.reason] for line in skipped]
            write_text(notes, json.dumps({"kept": kept, "skipped": pairs}))
    content = json.loads(notes.read_text(encoding="utf-8"))
    images = np.load(path, mmap_mode="r")
    skipped = [Skipped(where, reason) for where, reason in content["skipped"]]
    return Stored(images[: len(content["kept"])], content["kept"], skipped)


def _key(files: Sequence[Path], size: int) -> str:
    digest = hashlib.sha256(f"faces v1 {size}\n".encode())
    for file in files:
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]
