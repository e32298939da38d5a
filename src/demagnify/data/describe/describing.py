"""Describes a data set: what is in it, and what would spoil a training or an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from demagnify.core.settings import Frozen
from demagnify.data import columns
from demagnify.data.describe.crossings import EXAMPLES, check_count, group_crossings, like_crossings
from demagnify.data.describe.description import (
    SIZE_EDGES,
    Conflict,
    Description,
    LeftOut,
    Sizes,
    Split,
)
from demagnify.data.describe.statistics import Statistics, read_statistics
from demagnify.data.manifest import Manifest

MAX_DISTANCE: Final = 8


class DescribeConfig(Frozen):
    """How images of different splits are compared."""

    hashes: bool = Field(
        default=True,
        description="Look for duplicates across splits, for which every image is decoded once.",
    )
    distance: int = Field(
        default=2,
        ge=0,
        le=MAX_DISTANCE,
        description="Bits of 64 in which perceptual hashes of near duplicates may differ. Of faces "
        "saved again at JPEG quality 40, at half or at 1.5 times their size, 2 bits find 98 % and "
        "more; at 4 bits aligned faces of different people begin to look alike.",
    )


def describe(
    manifest: Manifest | str | Path,
    config: DescribeConfig | None = None,
    *,
    workers: int | None = None,
) -> Description:
    """Describes a data set of any format.

    Without hashes nothing is decoded: sizes come from the headers of files, or from boxes.

    Args:
        manifest: The data set, or where it is; see `Manifest.load`.
        config: How images are compared.
        workers: Threads; a few more than there are processors by default.

    Returns:
        Counts by split, sizes, and what crosses the splits.

    Raises:
        BadManifestError: If there are more splits than can be compared.
        BadOutputError: If the cache folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for label in ("real", "fake"):
        ...     (folder / label).mkdir()
        ...     Image.new("RGB", (64, 64), "teal").save(folder / label / "a.png")
        >>> found = describe(folder)
        >>> found.images, found.conflicts[0].inputs
        (2, 1)
    """
    config = config or DescribeConfig()
    if not isinstance(manifest, Manifest):
        manifest = Manifest.load(Path(manifest))
    order = [counts.split for counts in manifest.describe()]
    check_count(order)
    splits = _split_numbers(manifest, order)
    seen = read_statistics(manifest, hashes=config.hashes, workers=workers)
    rows = seen.rows[seen.rows["pixels"] != 0]
    places = seen.kept[seen.rows["pixels"] != 0]
    names = manifest.table["file_name"].take(pa.array(places))
    shown = names.to_pylist()
    alike = rows["appearance"] != 0
    faces = [name for name, has_one in zip(shown, alike, strict=True) if has_one]
    return Description(
        source=str(manifest.source),
        images=len(manifest),
        splits=_splits(manifest, seen, splits),
        hashed=len(rows),
        distance=config.distance,
        shared_groups=group_crossings(manifest.table["group"], splits, order),
        identical=like_crossings(rows["pixels"], splits[places], order, 0, shown),
        near=like_crossings(
            rows["appearance"][alike], splits[places][alike], order, config.distance, faces
        ),
        conflicts=(
            *conflicts_of_names(manifest),
            *conflicts_of_pixels(rows["pixels"], manifest.labels[places], names),
        ),
        unprepared=manifest.unprepared,
        left_out=tuple(
            LeftOut(where=one.where, reason=one.reason)
            for one in (*manifest.skipped, *seen.skipped)
        ),
    )


def _split_numbers(manifest: Manifest, order: list[str]) -> NDArray[np.int64]:
    """Returns the split of each image by its place in `order`."""
    found = columns.encoded(manifest.table["split"])
    places = {name: place for place, name in enumerate(order)}
    # The columns of a part may know splits that none of its images is in.
    numbers = [places.get(name, 0) for name in found.dictionary.to_pylist()]
    return np.asarray(np.array(numbers, dtype=np.int64)[np.asarray(found.indices)])


def _splits(manifest: Manifest, seen: Statistics, splits: NDArray[np.int64]) -> tuple[Split, ...]:
    shorter = np.minimum(seen.rows["width"], seen.rows["height"])
    homes = splits[seen.kept]
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


def conflicts_of_names(manifest: Manifest) -> list[Conflict]:
    """Returns files that are listed as real and as fake, with the same box and frame.

    Those, too, of which all lines but the first were left out on reading.
    """
    table = manifest.table
    keys = columns.input_keys(table)
    left_out = [one.contradicts for one in manifest.skipped if one.contradicts]
    return _conflicts("name", table.select([*keys, "label"]), keys) or _left_out(left_out)


def conflicts_of_pixels(
    digests: NDArray[np.uint64], labels: NDArray[np.int64], names: pa.ChunkedArray
) -> list[Conflict]:
    """Returns images whose pixels stand under both labels, under whatever names.

    Args:
        digests: Digest of the pixels of each image, uint64 (n,).
        labels: Label of each image.
        names: File name of each image.
    """
    columns = {"pixels": pa.array(digests), "label": pa.array(labels), "file_name": names}
    return _conflicts("pixels", pa.table(columns), ["pixels"])


def _left_out(names: list[str]) -> list[Conflict]:
    if not names:
        return []
    files = list(dict.fromkeys(names))
    count = len(files) + len(names)
    return [
        Conflict(kind="name", inputs=len(files), images=count, examples=tuple(files[:EXAMPLES]))
    ]


def _conflicts(kind: str, table: pa.Table, keys: list[str]) -> list[Conflict]:
    wanted = [("label", "min"), ("label", "max"), ("label", "count")]
    if "file_name" not in keys:
        wanted.append(("file_name", "min"))
    inputs = table.group_by(keys).aggregate(wanted)
    both = inputs.filter(pc.not_equal(inputs["label_min"], inputs["label_max"]))
    if not len(both):
        return []
    names = both["file_name" if "file_name" in keys else "file_name_min"]
    examples = pc.unique(names.slice(0, 100)).to_pylist()
    return [
        Conflict(
            kind=kind,
            inputs=len(both),
            images=pc.sum(both["label_count"]).as_py(),
            examples=tuple(examples[:EXAMPLES]),
        )
    ]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How far a data set repeats itself.

    Attributes:
        rows: How many labelled images it lists.
        inputs: How many different ones: files, frames of them, and boxes in these.
        conflicting: How many of the rows have an input that comes with the other label as well.
    """

    rows: int
    inputs: int
    conflicting: int

    def __str__(self) -> str:
        return (
            f"{self.rows} labels for {self.inputs} different images; {self.conflicting} of the "
            "labels stand beside the opposite label of the same image"
        )


def count_repeats(manifest: Manifest) -> Repeats:
    """Counts inputs that a network gets more than once, and those under both labels.

    In the "scene" view of OpenForensics every photograph comes back once for each of its faces, so
    that no network can be right about all of them; in the "face" view nothing repeats.
    """
    keys = columns.input_keys(manifest.table)
    grouped = manifest.table.select([*keys, "label"]).group_by(keys)
    counts = grouped.aggregate([("label", "min"), ("label", "max"), ("label", "count")])
    torn = counts.filter(pc.not_equal(counts["label_min"], counts["label_max"]))
    return Repeats(len(manifest), len(counts), int(pc.sum(torn["label_count"]).as_py() or 0))
