"""A part of a data set, spread over its groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.core.rng import generator
from demagnify.data import Manifest


def limited(manifest: Manifest, count: int | None, *, seed: int = 0) -> Manifest:
    """Returns at most `count` images of a manifest, real and fake in its own proportion.

    Groups are put in a random order, the same for both labels, and give one image of each label
    in turn, so that there are as many groups as can be: an interval over few groups tells little.
    Where the real and the fake face of a pair are one group, pairs stay together. The images keep
    their order.

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
    labels, random = manifest.labels, generator(seed, "limit")
    names, groups = np.unique(manifest.groups, return_inverse=True)
    turn = random.permutation(len(names))[groups]
    order = random.permutation(len(labels))
    cells = groups * 2 + labels
    left = {1: _fakes(labels, count)}
    left[0] = count - left[1]
    kept = [
        rows[np.lexsort((turn[rows], _place(cells[rows], order[rows])))][: left[label]]
        for label in (0, 1)
        if len(rows := np.flatnonzero(labels == label))
    ]
    return manifest[np.sort(np.concatenate(kept))]


def _fakes(labels: NDArray[np.int64], count: int) -> int:
    """How many of `count` images are fakes: their share, but at least one of each label."""
    fakes = int(labels.sum())
    if fakes in (0, len(labels)):
        return min(fakes, count)
    return int(np.clip(round(count * fakes / len(labels)), 1, count - 1))


def _place(cells: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the how-manieth of its cell each image is, in the order of `order`."""
    sequence = np.lexsort((order, cells))
    ranked = cells[sequence]
    first = np.searchsorted(ranked, ranked)
    places = np.empty_like(sequence)
    places[sequence] = np.arange(len(cells)) - first
    return places
