"""Finds hashes that differ in a few bits, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

BITS: Final = 64
_ONES: Final = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


def near_pairs(hashes: Hashes, distance: int) -> Iterator[tuple[Places, Places]]:
    """Yields all pairs of hashes at a Hamming distance of at most `distance`, block by block.

    Multi-index hashing (Norouzi, Punjani and Fleet, 2012): the 64 bits are cut into
    `distance + 1` bands, and two hashes that differ in at most `distance` bits agree in at least
    one of them. So only hashes that share a band are compared, and none is missed.

    The cost is `distance + 1` sortings of n numbers and one comparison for each pair that shares
    a band: for evenly spread hashes (distance + 1) * n**2 / 2 / 2**(64 / (distance + 1)), which
    at distance 4 is 350 million for a million hashes; memory grows with n alone.

    Args:
        hashes: Distinct hashes, uint64 (n,).
        distance: How many bits may differ, 0 to 15.

    Yields:
        Two rows of places in `hashes`, the pairs; a pair that shares several bands comes again.
    """
    edges = np.linspace(0, BITS, distance + 2).astype(np.uint64)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        bands = (hashes >> low) & mask
        order = np.argsort(bands, kind="stable").astype(np.int64)
        for first, second in _neighbours(bands[order]):
            one, other = order[first], order[second]
            close = hamming(hashes[one], hashes[other]) <= distance
            if close.any():
                yield one[close], other[close]


def hamming(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """Returns in how many bits hashes differ, int64 (n,)."""
    different = np.ascontiguousarray(one ^ other).view(np.uint8).reshape(-1, BITS // 8)
    counts: NDArray[np.int64] = _ONES[different].sum(axis=1, dtype=np.int64)
    return counts


def _neighbours(numbers: Hashes) -> Iterator[tuple[Places, Places]]:
    """Yields all pairs of places that hold the same number, in a sorted row, by their distance."""
    step = 1
    first = np.arange(len(numbers), dtype=np.int64)
    while len(first):
        first = first[first + step < len(numbers)]
        # Sorted: places that differ at this step differ at every longer one.
        first = first[numbers[first] == numbers[first + step]]
        if len(first):
            yield first, first + step
        step += 1
