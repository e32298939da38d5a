"""The same faces clean and under each attack: what a defence is trained and judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from demagnify import assets, attacks
from demagnify.attacks.attacked import attacked_faces
from demagnify.attacks.base import Attack
from demagnify.attacks.quality import quality
from demagnify.data import Faces
from demagnify.errors import BadConfigError
from demagnify.evaluation import AttackEntry
from demagnify.evaluation.result import CLEAN

Conditions = dict[str, Faces]
"""Attack name -> faces; the first, "none", are the clean ones."""

MEASURED: Final = 256
"""On how many faces, spread evenly over a split, image quality is measured."""


def create_attacks(names: Sequence[str], *, device: str = "auto") -> list[Attack]:
    """Returns the attacks called `names`, each once and in their order, without "none".

    Args:
        names: Registered names, or files of super-resolution networks.
        device: Where the networks compute.

    Raises:
        UnknownNameError: If a name is neither registered nor a file.
        BadConfigError: If two files would have one name in the tables.
    """
    chosen = [attacks.create(name, device=device) for name in dict.fromkeys(names)]
    found = [attack.name for attack in chosen]
    for name in found:
        if found.count(name) > 1:
            raise BadConfigError(f"two attacks are called {name!r}", hint="rename one of the files")
    return [attack for attack in chosen if attack.name != CLEAN]


def default_cache() -> Path:
    """Returns the folder in which attacked faces are kept for all runs."""
    return assets.cache_folder() / "attacked"


def under_attacks(
    faces: Faces, chosen: Sequence[Attack], *, cache: Path | None = None, batch_size: int = 16
) -> Conditions:
    """Returns the faces clean and under each attack; attacked ones are computed once and kept.

    Args:
        faces: The clean faces.
        chosen: The attacks.
        cache: Where attacked faces are kept, by content, network and settings.
        batch_size: How many faces a network sees at once.
    """
    folder = cache or default_cache()
    attacked = {
        attack.name: attacked_faces(faces, attack, cache=folder, batch_size=batch_size)
        for attack in chosen
    }
    return {CLEAN: faces, **attacked}


def pooled(conditions: Mapping[str, Faces]) -> Faces:
    """Returns the faces of all conditions as one set; a face keeps its group in each of them."""
    return Faces.concatenate(
        [
            faces.renamed([f"{name} ({attack})" for name in faces.names])
            for attack, faces in conditions.items()
        ]
    )


def measure_quality(conditions: Mapping[str, Faces]) -> tuple[AttackEntry, ...]:
    """Returns how far each attack moves the pixels: PSNR and SSIM against the clean faces."""
    clean = conditions[CLEAN]
    count = min(MEASURED, len(clean))
    indices = np.unique(np.linspace(0, len(clean) - 1, count).astype(np.int64))
    return tuple(
        AttackEntry.of(name, *quality(clean.batch(indices), faces.batch(indices)))
        for name, faces in conditions.items()
        if name != CLEAN
    )
