"""Attacked face sets, computed once and kept."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from filelock import FileLock

from demagnify.core import progress
from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_bytes, write_text
from demagnify.data.dataset import FaceDataset
from demagnify.transforms.base import Identity, Transform

MEMORY_LIMIT: Final = 2**30
"""Bytes of attacked pixels that are read into memory; larger sets stay a memory map."""


def attacked_faces(
    faces: FaceDataset,
    attack: Transform,
    *,
    cache: Path,
    batch_size: int = 16,
    in_memory: bool = True,
) -> FaceDataset:
    """Returns `faces` after `attack`, computed once and then read from `cache`.

    The pixels are kept losslessly in one file per set of faces, attack and settings, with a note
    beside it that says which these are. A run that was killed goes on where it was; two runs at
    once compute them once. Memory stays bounded however many faces there are.

    Args:
        faces: The faces; all are attacked.
        attack: The attack; "none" gives `faces` back.
        cache: The folder of the kept files.
        batch_size: How many faces are attacked at once.
        in_memory: Whether a set of less than `MEMORY_LIMIT` is read into memory; many sets side by
            side are better left on disk.

    Raises:
        BadOutputError: If `cache` cannot be written to.
    """
    if isinstance(attack, Identity) or len(faces) == 0:
        return faces
    key = hashlib.sha256(f"{faces.fingerprint()}\n{attack.fingerprint()}".encode()).hexdigest()
    path = cache / f"{key[:32]}.npy"
    with _locked(path):
        if not _is_whole(path, faces.images.shape):
            _note(path, faces, attack, batch_size)
            _compute(faces, attack, path, batch_size)
    small = in_memory and path.stat().st_size <= MEMORY_LIMIT
    return faces.with_images(np.load(path, mmap_mode=None if small else "r"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise BadOutputError(
            f"cannot keep attacked faces in {path.parent}: {error.strerror or error}",
            hint="choose another cache folder",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    return path.is_file() and path.stat().st_size == len(_npy_header(shape)) + math.prod(shape)


def _note(path: Path, faces: FaceDataset, attack: Transform, batch_size: int) -> None:
    """Says in a file beside the pixels what they are; nothing reads it but people."""
    content = {
        "attack": attack.name,
        "fingerprint": attack.fingerprint(),
        "faces": faces.fingerprint(),
        "shape": list(faces.images.shape),
        "batch_size": batch_size,
    }
    write_text(path.with_suffix(".json"), json.dumps(content, indent=2) + "\n")


def _compute(faces: FaceDataset, attack: Transform, path: Path, batch_size: int) -> None:
    """Appends batch by batch to a partial file, which is moved to `path` when it is whole."""
    partial = path.with_suffix(".partial")
    done = _resume(partial, faces.images.shape, batch_size)
    with progress.bar(f"attacking with {attack.name}", len(faces)) as advance:
        advance(done)
        for start in range(done, len(faces), batch_size):
            indices = np.arange(start, min(start + batch_size, len(faces)))
            attacked = attack(faces.batch(indices)).cpu().contiguous().numpy()
            with _writing(partial) as file:
                file.write(attacked.data)
            advance(len(indices))
    with _writing(partial) as file:
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """Opens `path` to append to it, and says in one line what stands against it."""
    try:
        with path.open("ab") as file:
            yield file
    except OSError as error:
        raise BadOutputError(
            f"cannot keep attacked faces in {path.parent}: {error.strerror or error}",
            hint="run again with more room on the disk; what is done is kept",
        ) from error


def _resume(partial: Path, shape: tuple[int, ...], batch_size: int) -> int:
    """Makes `partial` hold a header and whole batches only; returns how many faces these are."""
    header = _npy_header(shape)
    if not partial.is_file() or _head(partial, len(header)) != header:
        write_bytes(partial, header)
        return 0
    face = math.prod(shape[1:])
    faces = (partial.stat().st_size - len(header)) // face
    done = faces if faces == shape[0] else faces - faces % batch_size
    os.truncate(partial, len(header) + done * face)
    return done


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    content = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()


def _head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
