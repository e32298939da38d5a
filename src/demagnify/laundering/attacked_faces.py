"""Attacked face sets, computed once and cached."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.core.array_files import ArrayFile
from demagnify.core.errors import DemagnifyWarning
from demagnify.core.runs import hold
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
    return cached_faces(
        faces,
        lambda indices: attack(faces.batch(indices)),
        cache=cache,
        key=f"{faces.fingerprint()}\n{attack.fingerprint()}",
        what=f"attacking with {attack.name}",
        about={
            "attack": attack.name,
            "fingerprint": attack.fingerprint(),
            "faces": faces.fingerprint(),
            "batch_size": batch_size,
        },
        batch_size=batch_size,
        in_memory=in_memory,
    )


def cached_faces(
    faces: FaceDataset,
    make: Callable[[NDArray[np.int64]], torch.Tensor],
    *,
    cache: Path,
    key: str,
    what: str,
    about: Mapping[str, Any],
    batch_size: int,
    in_memory: bool = True,
) -> FaceDataset:
    """Returns `faces` with other pixels, computed once and then read from `cache`.

    What is read stays the same where what is computed does not: a network's output differs by a
    level with the number of threads.

    Args:
        faces: The faces.
        make: Gives the pixels of the faces at some indices, uint8 (n,3,H,W).
        cache: The folder of the cached files.
        key: All that the pixels depend on.
        what: What progress is shown of.
        about: Kept in the note beside the file.
        batch_size: How many faces are made at once.
        in_memory: As in `attacked_faces`.

    Raises:
        BadOutputError: If `cache` cannot be written to.

    Warns:
        DemagnifyWarning: If cached faces are damaged; they are computed again.
    """
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    with hold(path.with_suffix(".lock")):
        stored = ArrayFile(path, faces.images.shape[1:], np.uint8, about=about, batch=batch_size)
        if stored.damaged:
            warnings.warn(
                f"{path} is damaged; its faces are computed again", DemagnifyWarning, stacklevel=3
            )
        if not stored.done:
            _compute(len(faces), make, stored, batch_size, what)
    small = in_memory and path.stat().st_size <= MEMORY_LIMIT
    return faces.with_images(stored.rows(in_memory=small))


def _compute(
    count: int,
    make: Callable[[NDArray[np.int64]], torch.Tensor],
    stored: ArrayFile,
    batch_size: int,
    what: str,
) -> None:
    """Appends batch by batch, and notes each, so that a kill costs at most a batch."""
    with progress.bar(what, count) as advance, stored.writing() as writer:
        advance(writer.count)
        for start in range(writer.count, count, batch_size):
            indices = np.arange(start, min(start + batch_size, count))
            writer.append(make(indices).cpu().numpy())
            writer.note()
            advance(len(indices))
        writer.finish()
