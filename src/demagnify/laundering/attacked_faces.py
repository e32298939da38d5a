"""Attacked face sets, computed once and cached."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Final

import numpy as np

from demagnify.core import progress
from demagnify.core.errors import DemagnifyWarning
from demagnify.core.runs import ArrayFile, hold
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
    about = {
        "attack": attack.name,
        "fingerprint": attack.fingerprint(),
        "faces": faces.fingerprint(),
        "batch_size": batch_size,
    }
    with hold(path.with_suffix(".lock")):
        stored = ArrayFile(path, faces.images.shape[1:], np.uint8, about=about, batch=batch_size)
        if stored.damaged:
            warnings.warn(
                f"{path} is damaged; its faces are attacked again", DemagnifyWarning, stacklevel=2
            )
        if not stored.done:
            _compute(faces, attack, stored, batch_size)
    small = in_memory and path.stat().st_size <= MEMORY_LIMIT
    return faces.with_images(stored.rows(in_memory=small))


def _compute(faces: FaceDataset, attack: Transform, stored: ArrayFile, batch_size: int) -> None:
    """Appends batch by batch, and notes each, so that a kill costs at most a batch."""
    with (
        progress.bar(f"attacking with {attack.name}", len(faces)) as advance,
        stored.writing() as writer,
    ):
        advance(writer.count)
        for start in range(writer.count, len(faces), batch_size):
            indices = np.arange(start, min(start + batch_size, len(faces)))
            writer.append(attack(faces.batch(indices)).cpu().numpy())
            writer.note()
            advance(len(indices))
        writer.finish()
