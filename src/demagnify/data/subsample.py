"""Parts of a data set, chosen by group: what belongs together stays on one side."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.core.rng import generator

if TYPE_CHECKING:
    from demagnify.data.dataset import FaceDataset
    from demagnify.data.manifest import Manifest

Integers = NDArray[np.int64]


def subsample(manifest: Manifest, count: int | None, *, seed: int = 0) -> Manifest:
    """Returns at most `count` images of a manifest, with its proportion of real and fake.

    Groups are put in a random order, the same for both labels, and give one image of each label
    in turn. This keeps as many groups as possible: an interval over few groups is wide.
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
    fakes = _fakes(labels, count)
    wanted = {0: count - fakes, 1: fakes}
    kept = [
        rows[np.lexsort((turn[rows], _rank_in_cell(cells[rows], order[rows])))][: wanted[label]]
        for label in (0, 1)
        if len(rows := np.flatnonzero(labels == label))
    ]
    return manifest[np.sort(np.concatenate(kept))]


def _fakes(labels: Integers, count: int) -> int:
    """Returns how many of `count` images are fakes: their share, at least one of each label."""
    fakes = int(labels.sum())
    if fakes in (0, len(labels)):
        return min(fakes, count)
    return int(np.clip(round(count * fakes / len(labels)), 1, count - 1))


def _rank_in_cell(cells: Integers, order: Integers) -> Integers:
    """Returns the rank of each image within its cell, in the order of `order`."""
    sequence = np.lexsort((order, cells))
    ranked = cells[sequence]
    first = np.searchsorted(ranked, ranked)
    places = np.empty_like(sequence)
    places[sequence] = np.arange(len(cells)) - first
    return places


def spread_evenly(count: int, most: int) -> Integers:
    """Returns at most `most` of the places 0 to `count` - 1, the first and the last among them.

    The frames of a video are taken so. (In DeepfakeBench's code the step between frames is 1 for
    long videos, which takes all of them from the first second.)

    Example:
        >>> spread_evenly(9, 3).tolist(), spread_evenly(2, 3).tolist(), spread_evenly(0, 3).tolist()
        ([0, 4, 8], [0, 1], [])
    """
    places = np.linspace(0, count - 1, min(most, count)) if count else np.empty(0)
    return places.round().astype(np.int64)


def choose_groups(names: Iterable[str], fraction: float, seed: int) -> set[str]:
    """Returns `fraction` of the different `names`, at least one.

    The choice depends on the seed and the names alone, not on their order. A smaller fraction
    under the same seed is a part of a larger one.

    Raises:
        BadConfigError: If the fraction is not above 0 and at most 1.

    Example:
        >>> sorted(choose_groups(["a", "b", "c", "d"], 0.5, seed=0))
        ['a', 'b']
    """
    if not 0.0 < fraction <= 1.0:
        raise BadConfigError(f"a fraction is above 0 and at most 1, not {fraction}")
    distinct = set(names)
    if fraction == 1.0:
        return distinct
    ordered = sorted(distinct, key=lambda name: (_digest(name, seed), name))
    return set(ordered[: max(1, math.floor(fraction * len(ordered) + 0.5))])


def _digest(name: str, seed: int) -> bytes:
    text = f"subset {seed}\n{name}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).digest()


def hold_out(
    groups: NDArray[np.str_], share: float, *, seed: int, purpose: str
) -> tuple[Integers, Integers]:
    """Splits faces in two; no group is on both sides.

    Args:
        groups: (N,), the group of each face.
        share: Share of the groups that is held out, rounded down; at least one group stays.
        seed: Same seed, same choice.
        purpose: Name of the random stream; another purpose makes another choice.

    Returns:
        The numbers of the faces that stay and of those held out, each in rising order.
    """
    names, which = np.unique(groups, return_inverse=True)
    held = np.zeros(len(names), dtype=np.bool_)
    order = generator(seed, purpose).permutation(len(names))
    held[order[: min(int(share * len(names)), len(names) - 1)]] = True
    return np.flatnonzero(~held[which]), np.flatnonzero(held[which])


def draw_by_group(faces: FaceDataset, count: int, seed: int, purpose: str) -> Integers:
    """Returns about `count` faces, in order and in whole groups; all if there are no more."""
    if len(faces) <= count:
        return np.arange(len(faces), dtype=np.int64)
    share = max(count / len(faces), 1.5 / len(np.unique(faces.groups)))
    _, chosen = hold_out(faces.groups, share, seed=seed, purpose=purpose)
    return chosen
