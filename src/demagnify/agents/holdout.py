"""Keeping some faces back, whole groups at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demagnify.core.rng import generator

Integers = NDArray[np.int64]


def hold_out(
    groups: NDArray[np.str_], share: float, *, seed: int, purpose: str
) -> tuple[Integers, Integers]:
    """Splits faces in two so that no group is on both sides.

    Args:
        groups: (N,), the group of each face.
        share: Which share of the groups is held out, rounded down; at least one group stays.
        seed: Where the choice comes from.
        purpose: What they are held out for; another purpose makes another choice.

    Returns:
        The numbers of the faces that stay and of those held out, each in rising order.
    """
    names, which = np.unique(groups, return_inverse=True)
    held = np.zeros(len(names), dtype=np.bool_)
    order = generator(seed, purpose).permutation(len(names))
    held[order[: min(int(share * len(names)), len(names) - 1)]] = True
    return np.flatnonzero(~held[which]), np.flatnonzero(held[which])
