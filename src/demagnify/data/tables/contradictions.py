"""Labels of a table that contradict a word in another column, or in the name of a folder.

A number means what the table says it means, and some lists say 1 for real. Where a word stands
beside the numbers, the two must agree; if they do not, no row of the table can be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demagnify.core.errors import BadManifestError
from demagnify.data.labels import (
    FAKE,
    REAL,
    label_name,
    mentioned_label,
    named_label,
    parse_truth,
)
from demagnify.data.tables.blocks import Block

_ABOUT_LABELS: Final = re.compile(r"label|class|target|truth|categor|verdict")
_NO_LABELS: Final = ("file_name", "split", "group", "box", "frame")
_NUMBER: Final = r"(?i)^\s*(-?\d+(\.0)?|true|false)\s*$"
_UNKNOWN: Final = -1

Meaning = Callable[[str], int | None]


def check_labels(block: Block, given: str, labels: pa.Array) -> None:
    """Makes sure that no other column, and no folder, names the other label.

    Args:
        block: The rows as the file has them.
        given: The column that the labels come from.
        labels: The label of each row, uint8; null where it has none.

    Raises:
        BadManifestError: If one does; the message names both.
    """
    found = pc.fill_null(labels.cast(pa.int8()), _UNKNOWN).to_numpy(zero_copy_only=False)
    for name, texts in block.columns.items():
        if name != given and name not in _NO_LABELS:
            meaning = _meaning(name)
            sure = meaning is not named_label or _ABOUT_LABELS.search(name) is not None
            meant, whole = _meant(texts, meaning)
            if sure or whole or _opposite(found, meant):
                _refuse(block, given, found, meant, name)
    if given in block.columns and "file_name" in block.columns:
        numbers = pc.match_substring_regex(block.columns[given], _NUMBER)
        numeric = pc.fill_null(numbers, False).to_numpy(zero_copy_only=False)
        found = np.where(numeric, found, _UNKNOWN)
        meant, _ = _meant(block.columns["file_name"], _in_folders)
        _refuse(block, given, found, meant, "file_name")
        meant, _ = _meant(block.columns["file_name"], _in_stem)
        if _opposite(found, meant):
            _refuse(block, given, found, meant, "file_name")


def _meaning(column: str) -> Meaning:
    if column in ("is_fake", "fake"):
        return _truth
    if column in ("is_real", "real"):
        return lambda text: {FAKE: REAL, REAL: FAKE, None: None}[_truth(text)]
    return named_label


def _truth(text: str) -> int | None:
    try:
        return parse_truth(text)
    except BadManifestError:
        return None


def _in_folders(name: str) -> int | None:
    parts = PurePosixPath(name.replace("\\", "/")).parent.parts
    labels = {named_label(part) for part in parts} - {None}
    return labels.pop() if len(labels) == 1 else None


def _in_stem(name: str) -> int | None:
    return mentioned_label(PurePosixPath(name.replace("\\", "/")).stem)


def _meant(texts: pa.Array, meaning: Meaning) -> tuple[NDArray[np.int8], bool]:
    """Returns the label in each text, -1 without one; and whether all are labels, of both kinds."""
    codes = pc.dictionary_encode(texts)
    known = [meaning(text) for text in codes.dictionary.to_pylist()]
    labels = pa.array([_UNKNOWN if label is None else label for label in known], pa.int8())
    meant: NDArray[np.int8] = pc.fill_null(labels.take(codes.indices), _UNKNOWN).to_numpy(
        zero_copy_only=False
    )
    return meant, set(known) == {REAL, FAKE}


def _opposite(found: NDArray[np.int8], meant: NDArray[np.int8]) -> bool:
    """Whether texts, few of which may be labels, say the contrary of the labels.

    None agrees, and all rows of one label have the word for the other.
    """
    told = (found != _UNKNOWN) & (meant != _UNKNOWN)
    if not told.any() or (found == meant)[told].any():
        return False
    return any(
        (meant[found == label] == 1 - label).all() and (found == label).any()
        for label in (REAL, FAKE)
    )


def _refuse(
    block: Block, given: str, found: NDArray[np.int8], meant: NDArray[np.int8], column: str
) -> None:
    wrong = np.flatnonzero((found != meant) & (found != _UNKNOWN) & (meant != _UNKNOWN))
    if not len(wrong):
        return
    place = int(wrong[0])
    first, second = (block.columns[name][place].as_py() for name in (given, column))
    raise BadManifestError(
        f"line {block.numbers[place]}: {given} is {first!r} ({label_name(int(found[place]))}), but "
        f"{column} is {second!r} ({label_name(int(meant[place]))})",
        hint="real is 0 and fake 1; write real and fake into the column label",
    )
