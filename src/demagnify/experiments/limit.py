"""A part of a data set, drawn by group."""

from __future__ import annotations

import numpy as np

from demagnify.data import Manifest
from demagnify.errors import BadConfigError
from demagnify.randomness import generator


def limited(manifest: Manifest, count: int | None, *, seed: int = 0) -> Manifest:
    """Returns at most `count` images of a manifest, real and fake in its own proportion.

    Groups are drawn at random and taken whole until there is enough of a label; the last group
    may be taken in part. The images keep their order.

    Args:
        manifest: The images.
        count: How many to keep; None keeps all.
        seed: Same seed, same images.

    Raises:
        BadConfigError: If `count` is below 2: there would be no real or no fake image.
    """
    if count is None or count >= len(manifest):
        return manifest
    if count < 2:
        raise BadConfigError(f"{count} faces are too few", hint="take 2 or more")
    labels = np.array([record.label for record in manifest])
    fakes = int(np.clip(round(count * labels.mean()), 1, count - 1))
    left = {1: fakes, 0: count - fakes}
    groups = np.array([record.group for record in manifest])
    names = np.unique(groups)
    rank = generator(seed, "limit").permutation(len(names))
    kept = []
    for index in np.argsort(rank[np.searchsorted(names, groups)], kind="stable").tolist():
        label = int(labels[index])
        if left[label]:
            left[label] -= 1
            kept.append(index)
    return Manifest(
        [manifest[index] for index in sorted(kept)], root=manifest.root, skipped=manifest.skipped
    )
