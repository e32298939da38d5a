"""Counts how often a data set gives a network the same input, and under which labels."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.compute as pc

from demagnify.data.manifest import Manifest
from demagnify.data.records import BOX


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
    """Counts repeated and conflicting inputs of a manifest.

    In the "scene" view of OpenForensics every photograph comes back once for each of its faces, so
    that no network can be right about all of them; in the "face" view nothing repeats.
    """
    keys = [key for key in ("file_name", "frame", *BOX) if key in manifest.table.column_names]
    grouped = manifest.table.select([*keys, "label"]).group_by(keys)
    counts = grouped.aggregate([("label", "min"), ("label", "max"), ("label", "count")])
    torn = counts.filter(pc.not_equal(counts["label_min"], counts["label_max"]))
    return Repeats(len(manifest), len(counts), int(pc.sum(torn["label_count"]).as_py() or 0))
