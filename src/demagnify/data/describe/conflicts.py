"""Inputs that stand under both labels: no detector can get them right."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demagnify.data.describe.description import Conflict
from demagnify.data.manifest import Manifest
from demagnify.data.records import BOX

_EXAMPLES = 3


def conflicts_of_names(manifest: Manifest) -> list[Conflict]:
    """Returns files that are listed as real and as fake, with the same box and frame.

    Those, too, of which all lines but the first were left out on reading.
    """
    table = manifest.table
    keys = [name for name in ("file_name", *BOX, "frame") if name in table.column_names]
    left_out = [one.contradicts for one in manifest.skipped if one.contradicts]
    return _conflicts("name", table.select([*keys, "label"]), keys) or _left_out(left_out)


def conflicts_of_pixels(
    digests: NDArray[np.uint64], labels: NDArray[np.int64], names: pa.ChunkedArray
) -> list[Conflict]:
    """Returns images whose pixels stand under both labels, under whatever names.

    Args:
        digests: What tells the pixels of each image from others, uint64 (n,).
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
        Conflict(kind="name", inputs=len(files), images=count, examples=tuple(files[:_EXAMPLES]))
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
            examples=tuple(examples[:_EXAMPLES]),
        )
    ]
