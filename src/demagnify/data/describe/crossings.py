"""Crossings: what is in one split and, in the same or nearly the same form, in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demagnify.core.errors import BadManifestError
from demagnify.data import columns
from demagnify.data.describe.description import Crossing

Codes = NDArray[np.int64]
Hashes = NDArray[np.uint64]

MAX_SPLITS: Final = 64
EXAMPLES: Final = 3


def like_crossings(
    hashes: Hashes, splits: Codes, order: Sequence[str], distance: int, names: Sequence[str]
) -> tuple[Crossing, ...]:
    """Returns for each two splits how many images of the one are like an image of the other.

    Args:
        hashes: Hash of each image, uint64 (n,).
        splits: Split of each image, by number.
        order: Names of the splits.
        distance: In how many bits hashes of like images may differ.
        names: Name of each image, for the examples.
    """
    reached = _reach(hashes, splits, distance)
    found = []
    for one, other in _pairs_of_splits(len(order)):
        mine = np.flatnonzero((splits == one) & _has(reached, other))
        if not len(mine):
            continue
        theirs = np.flatnonzero((splits == other) & _has(reached, one))
        examples = [
            (names[place], names[_closest(hashes, place, theirs)]) for place in mine[:EXAMPLES]
        ]
        found.append(_crossing(order, one, other, len(mine), examples))
    return tuple(found)


def group_crossings(
    groups: pa.ChunkedArray, splits: Codes, order: Sequence[str]
) -> tuple[Crossing, ...]:
    """Returns for each two splits how many groups are in both.

    Args:
        groups: Group of each image.
        splits: Split of each image, by number.
        order: Names of the splits.
    """
    found = columns.encoded(groups)
    codes = np.asarray(found.indices)
    present = np.zeros(len(found.dictionary), dtype=np.uint64)
    np.bitwise_or.at(present, codes, _bits(splits))
    crossings = []
    for one, other in _pairs_of_splits(len(order)):
        both = np.flatnonzero(_has(present, one) & _has(present, other))
        if one < other and len(both):
            names = [found.dictionary[int(place)].as_py() for place in both[:EXAMPLES]]
            examples = [(name, name) for name in names]
            crossings.append(_crossing(order, one, other, len(both), examples))
    return tuple(crossings)


def check_count(order: Sequence[str]) -> None:
    """Makes sure that there are not more splits than can be compared.

    Raises:
        BadManifestError: If there are.
    """
    if len(order) > MAX_SPLITS:
        raise BadManifestError(
            f"{len(order)} splits are more than the {MAX_SPLITS} that can be compared",
            hint="the split column is for names such as train, val, test",
        )


def _reach(hashes: Hashes, splits: Codes, distance: int) -> Hashes:
    """Returns for each image the splits that hold an image like it, one bit each."""
    distinct, homes = np.unique(hashes, return_inverse=True)
    present = np.zeros(len(distinct), dtype=np.uint64)
    np.bitwise_or.at(present, homes, _bits(splits))
    reached = present.copy()
    for one, other in near_pairs(distinct, distance):
        np.bitwise_or.at(reached, one, present[other])
        np.bitwise_or.at(reached, other, present[one])
    return np.asarray(reached[homes])


def _closest(hashes: Hashes, place: int, others: Codes) -> int:
    """Returns which of `others` is the most like the image at `place`."""
    distances = hamming(np.broadcast_to(hashes[place], len(others)), hashes[others])
    return int(others[np.argmin(distances)])


def _bits(splits: Codes) -> Hashes:
    return np.uint64(1) << splits.astype(np.uint64)


def _has(bits: Hashes, split: int) -> NDArray[np.bool_]:
    return np.asarray((bits >> np.uint64(split)) & np.uint64(1) == 1)


def _pairs_of_splits(count: int) -> Iterator[tuple[int, int]]:
    return ((one, other) for one in range(count) for other in range(count) if one != other)


def _crossing(
    order: Sequence[str], one: int, other: int, count: int, examples: Sequence[tuple[str, str]]
) -> Crossing:
    return Crossing(split=order[one], other=order[other], count=count, examples=tuple(examples))


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
