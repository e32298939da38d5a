"""Describes a data set: what is in it, and what would spoil a training or an evaluation."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.data import columns
from demagnify.data.describe.conflicts import conflicts_of_names, conflicts_of_pixels
from demagnify.data.describe.crossings import check_count, group_crossings, like_crossings
from demagnify.data.describe.description import SIZE_EDGES, Description, LeftOut, Sizes, Split
from demagnify.data.describe.looks import Looks, look_at
from demagnify.data.manifest import Manifest
from demagnify.data.records import BOX

MAX_DISTANCE: Final = 8


def describe(
    manifest: Manifest, *, hashes: bool = True, distance: int = 2, workers: int | None = None
) -> Description:
    """Describes a data set of any format.

    Without hashes nothing is decoded: sizes come from the headers of files, or from boxes.

    Args:
        manifest: The data set.
        hashes: Whether to look for images that are in several splits, which decodes everything.
        distance: In how many of the 64 bits of the perceptual hash near duplicates may differ. Of
            faces saved again at JPEG quality 40, at half or at 1.5 times their size, 2 bits find
            98 % and more; at 4 bits aligned faces of different people begin to look alike.
        workers: Threads; a few more than there are processors by default.

    Raises:
        BadConfigError: If `distance` is out of its range.
        BadManifestError: If there are more splits than can be compared.
        BadOutputError: If the cache folder cannot be written to.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise BadConfigError(f"the distance is from 0 to {MAX_DISTANCE}, not {distance}")
    order = [counts.split for counts in manifest.describe()]
    check_count(order)
    splits = _split_numbers(manifest, order)
    looks = look_at(manifest, hashes=hashes, workers=workers)
    rows = looks.rows[looks.rows["pixels"] != 0]
    places = looks.kept[looks.rows["pixels"] != 0]
    names = manifest.table["file_name"].take(pa.array(places))
    shown = names.to_pylist()
    seen = rows["appearance"] != 0
    faces = [name for name, has_one in zip(shown, seen, strict=True) if has_one]
    return Description(
        source=str(manifest.root),
        images=len(manifest),
        splits=_splits(manifest, looks, splits),
        hashed=len(rows),
        distance=distance,
        torn_groups=group_crossings(manifest.table["group"], splits, order),
        identical=like_crossings(rows["pixels"], splits[places], order, 0, shown),
        near=like_crossings(rows["appearance"][seen], splits[places][seen], order, distance, faces),
        conflicts=(
            *conflicts_of_names(manifest),
            *conflicts_of_pixels(rows["pixels"], manifest.labels[places], names),
        ),
        unprepared=_count_unprepared(manifest),
        left_out=tuple(
            LeftOut(where=one.where, reason=one.reason)
            for one in (*manifest.skipped, *looks.skipped)
        ),
    )


def _split_numbers(manifest: Manifest, order: list[str]) -> NDArray[np.int64]:
    """Returns the split of each image by its place in `order`."""
    found = columns.encoded(manifest.table["split"])
    places = {name: place for place, name in enumerate(order)}
    # The columns of a part may know splits that none of its images is in.
    numbers = [places.get(name, 0) for name in found.dictionary.to_pylist()]
    return np.asarray(np.array(numbers, dtype=np.int64)[np.asarray(found.indices)])


def _splits(manifest: Manifest, looks: Looks, splits: NDArray[np.int64]) -> tuple[Split, ...]:
    shorter = np.minimum(looks.rows["width"], looks.rows["height"])
    homes = splits[looks.kept]
    return tuple(
        Split(
            name=counts.split,
            real=counts.real,
            fake=counts.fake,
            imbalance=counts.imbalance if counts.real else None,
            groups=pc.count_distinct(
                manifest.table["group"].filter(pa.array(splits == place))
            ).as_py(),
            sizes=_sizes(shorter[(homes == place) & (shorter > 0)]),
        )
        for place, counts in enumerate(manifest.describe())
    )


def _sizes(pixels: NDArray[np.int32]) -> Sizes | None:
    if not len(pixels):
        return None
    marks = np.percentile(pixels, (0, 5, 50, 95, 100), method="nearest")
    smallest, low, median, high, largest = (int(mark) for mark in marks)
    histogram = np.histogram(pixels, bins=[*SIZE_EDGES, np.inf])[0]
    return Sizes(
        images=len(pixels),
        smallest=smallest,
        low=low,
        median=median,
        high=high,
        largest=largest,
        histogram=tuple(int(count) for count in histogram),
    )


def _count_unprepared(manifest: Manifest) -> int:
    known = [name for name in (BOX[0], "frame") if name in manifest.table.column_names]
    uncut = np.zeros(len(manifest), dtype=bool)
    for name in known:
        uncut |= ~np.asarray(pc.is_null(manifest.table[name]))
    return int(uncut.sum())
