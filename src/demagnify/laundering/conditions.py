"""Conditions: the same faces clean and under each attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demagnify.core import assets
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError
from demagnify.core.images import fit, from_batch, to_batch
from demagnify.data import FaceDataset
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.config import ATTACKED_LABELS, Attacked
from demagnify.laundering.config import CLEAN as CLEAN
from demagnify.transforms import create
from demagnify.transforms.base import Transform

Conditions = dict[str, FaceDataset]
"""Name of the attack -> faces; the first, "none", are the clean ones."""


def create_attacks(
    names: Sequence[str], *, device: str = "auto", precision: Precision = "float32"
) -> list[Transform]:
    """Returns the attacks called `names`, each once and in their order, without the identity."""
    chosen = [
        create(name, device=device, precision=precision)
        for name in dict.fromkeys(names)
        if name != CLEAN
    ]
    found = [attack.name for attack in chosen]
    for name in found:
        if found.count(name) > 1:
            raise BadConfigError(f"two attacks are called {name!r}", hint="rename one of the files")
    return [attack for attack in chosen if not attack.is_identity]


def default_cache() -> Path:
    """Returns the folder in which attacked faces are cached for all runs."""
    return assets.writable_cache() / "attacked"


def under_attacks(
    faces: FaceDataset,
    chosen: Sequence[Transform],
    *,
    cache: Path | None = None,
    batch_size: int = 16,
) -> Conditions:
    """Returns the faces clean and under each attack; attacked ones are computed once and cached."""
    folder = cache or default_cache()
    attacked = {
        attack.name: attacked_faces(faces, attack, cache=folder, batch_size=batch_size)
        for attack in chosen
    }
    return {CLEAN: faces, **attacked}


def at_size(conditions: Conditions, size: int) -> Conditions:
    """Returns the same conditions with every face resized to `size` by `images.fit`.

    An attacker attacks a face in its own resolution; the detector resizes it afterwards.
    """
    return {name: _at_size(faces, size) for name, faces in conditions.items()}


def _at_size(faces: FaceDataset, size: int) -> FaceDataset:
    if faces.size == size:
        return faces
    pixels = np.empty((len(faces), 3, size, size), dtype=np.uint8)
    for indices, batch in faces.batches(256):
        pixels[indices] = to_batch([fit(face, size) for face in from_batch(batch)]).numpy()
    return FaceDataset(pixels, faces.labels, faces.groups, faces.names, faces.skipped)


def attacked_only(conditions: Conditions, which: Attacked) -> Conditions:
    """Returns the same conditions with only some of the faces attacked; no pixel is copied."""
    if which == "all":
        return dict(conditions)
    clean = conditions[CLEAN]
    numbers = is_attacked(clean.labels, which).astype(np.int64)
    mixed = {
        name: FaceDataset.choose([clean, faces], numbers)
        for name, faces in conditions.items()
        if name != CLEAN
    }
    return {CLEAN: clean, **mixed}


def is_attacked(labels: NDArray[np.int64], which: Attacked) -> NDArray[np.bool_]:
    """Returns which faces are attacked, bool (N,)."""
    found: NDArray[np.bool_] = np.isin(labels, ATTACKED_LABELS[which])
    return found


def pooled(conditions: Mapping[str, FaceDataset]) -> FaceDataset:
    """Returns the faces of all conditions as one set; a face keeps its group in each of them."""
    return FaceDataset.concatenate(
        [
            faces.renamed([f"{name} ({attack})" for name in faces.names])
            for attack, faces in conditions.items()
        ]
    )
