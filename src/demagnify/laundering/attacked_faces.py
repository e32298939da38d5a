"""Attacked face sets, computed once and cached."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from filelock import FileLock

from demagnify.core import progress
from demagnify.core.errors import BadOutputError, DemagnifyWarning
from demagnify.core.files import sha256, write_bytes, write_text
from demagnify.data.dataset import FaceDataset
from demagnify.transforms.base import Transform

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

    The pixels are cached losslessly in one file per set of faces and attack, with a note beside it:
    its content and its checksum. A killed run continues; two runs at once compute the faces once.
    Memory stays bounded however many faces there are.

    Args:
        faces: The faces; all are attacked.
        attack: The attack; the identity gives `faces` back.
        cache: The folder of the cached files.
        batch_size: How many faces are attacked at once.
        in_memory: Whether a set of less than `MEMORY_LIMIT` is read into memory; many sets side by
            side are better as memory maps.

    Raises:
        BadOutputError: If `cache` cannot be written to.

    Warns:
        DemagnifyWarning: If cached faces are damaged; they are computed again.
    """
    if attack.is_identity or len(faces) == 0:
        return faces
    key = hashlib.sha256(f"{faces.fingerprint()}\n{attack.fingerprint()}".encode()).hexdigest()
    path = cache / f"{key[:32]}.npy"
    with _locked(path):
        if not _is_whole(path):
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
            f"cannot cache attacked faces in {path.parent}: {error.strerror or error}",
            hint="choose another cache folder",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _is_whole(path: Path) -> bool:
    """Whether the cached faces have the checksum of their note; warns if they differ."""
    note = path.with_suffix(".json")
    if not path.is_file() or not note.is_file():
        return False
    try:
        expected = json.loads(note.read_text(encoding="utf-8"))["sha256"]
    except (ValueError, KeyError, TypeError):
        expected = ""
    if sha256(path) == expected:
        return True
    warnings.warn(
        f"{path} is damaged; its faces are attacked again", DemagnifyWarning, stacklevel=3
    )
    return False


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
    note = {
        "attack": attack.name,
        "fingerprint": attack.fingerprint(),
        "faces": faces.fingerprint(),
        "shape": list(faces.images.shape),
        "batch_size": batch_size,
        "sha256": sha256(partial),
    }
    write_text(path.with_suffix(".json"), json.dumps(note, indent=2) + "\n")
    partial.replace(path)


@contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    """Opens `path` for appending; a full disk becomes one line."""
    try:
        with path.open("ab") as file:
            yield file
    except OSError as error:
        raise BadOutputError(
            f"cannot cache attacked faces in {path.parent}: {error.strerror or error}",
            hint="run again with more room on the disk; finished batches stay",
        ) from error


def _resume(partial: Path, shape: tuple[int, ...], batch_size: int) -> int:
    """Cuts `partial` to a header and whole batches; returns how many faces these are."""
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
