"""Attacked face sets, computed once and kept."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock

from demagnify import progress
from demagnify.attacks.base import Attack
from demagnify.attacks.controls import NoAttack
from demagnify.data.faces import Faces
from demagnify.errors import BadOutputError
from demagnify.files import write_bytes

MEMORY_LIMIT: Final = 2**30
"""Bytes of attacked pixels that are read into memory; larger sets stay a memory map."""


def attacked_faces(faces: Faces, attack: Attack, *, cache: Path, batch_size: int = 16) -> Faces:
    """Returns `faces` after `attack`, computed once and then read from `cache`.

    The pixels are kept losslessly in one file per set of faces, attack and settings. A run that
    was killed goes on where it was; two runs at once compute them once.

    Args:
        faces: The faces; all are attacked.
        attack: The attack; "none" gives `faces` back.
        cache: The folder of the kept files.
        batch_size: How many faces are attacked at once.

    Raises:
        BadOutputError: If `cache` cannot be written to.
    """
    if isinstance(attack, NoAttack) or len(faces) == 0:
        return faces
    key = hashlib.sha256(f"{faces.fingerprint()}\n{attack.fingerprint()}".encode()).hexdigest()
    path = cache / f"{key[:32]}.npy"
    with _locked(path):
        if not path.is_file():
            _compute(faces, attack, path, batch_size)
    in_memory = path.stat().st_size <= MEMORY_LIMIT
    return faces.with_images(np.load(path, mmap_mode=None if in_memory else "r"))


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


def _compute(faces: Faces, attack: Attack, path: Path, batch_size: int) -> None:
    """Appends batch by batch to a partial file, which is moved to `path` when it is whole."""
    partial = path.with_suffix(".partial")
    done = _resume(partial, faces.images.shape, batch_size)
    with (
        partial.open("ab") as file,
        progress.bar(f"attacking with {attack.name}", len(faces)) as advance,
    ):
        advance(done)
        for start in range(done, len(faces), batch_size):
            indices = np.arange(start, min(start + batch_size, len(faces)))
            file.write(attack(faces.batch(indices)).cpu().contiguous().numpy().data)
            file.flush()
            advance(len(indices))
        os.fsync(file.fileno())
    partial.replace(path)


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
