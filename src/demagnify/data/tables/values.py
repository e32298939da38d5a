"""Parses the texts of a block: labels, splits, groups, boxes, frames."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.errors import BadManifestError
from demagnify.core.images import SUFFIXES
from demagnify.data import splits
from demagnify.data.boxes import LEAST_SIDE, TOO_SMALL
from demagnify.data.columns import EXTRA
from demagnify.data.labels import is_number, is_other_number, parse_label, parse_truth
from demagnify.data.records import BOX, COLUMNS, Box
from demagnify.data.tables.blocks import TRUTH, Block
from demagnify.data.tables.contradictions import check_labels

T = TypeVar("T")
Faults = dict[int, str]

NUMBER: Final = "number"  # of the line, for messages; never kept

_IMAGE: Final = rf"(?i)\.({'|'.join(sorted(suffix[1:] for suffix in SUFFIXES))})$"


def parse(
    block: Block,
    *,
    prefix: str = "",
    split: str = splits.WHOLE,
    written: Block | None = None,
) -> tuple[pa.Table, Faults]:
    """Returns a block as columns of a manifest, and what is wrong with other rows, by number.

    Args:
        block: The texts.
        prefix: What to put before file names ("train/"), where the file lies deeper than the
            manifest's folder.
        split: The split of rows that name none.
        written: The texts as the file has them, where a data set card names its labels.

    Raises:
        BadManifestError: If a label contradicts a word in another column or in a folder's name.
    """
    faults: Faults = dict(block.broken)
    texts = dict(block.columns)
    count = len(block.numbers)
    none = pa.nulls(count, pa.string())
    names = texts.pop("file_name", none)
    _note(faults, block, pc.is_null(names), "there is no file_name")
    given = "label" if "label" in texts or TRUTH not in texts else TRUTH
    labels = _labels(texts, none, block, faults)
    check_labels(written or block, given, labels)
    whole_names = pc.binary_join_element_wise(prefix, names, "") if prefix else names
    columns = {
        NUMBER: pa.array(block.numbers),
        "file_name": whole_names,
        "label": labels,
        "split": _each(texts.pop("split", none), splits.parse_split, block, faults, pa.string()),
        "group": _groups(texts.pop("group", none), block, faults),
        **_boxes(texts, block, faults),
        **_frames(texts, names, block, faults),
    }
    columns["split"] = pc.fill_null(columns["split"], split)
    columns |= {
        EXTRA + name: column for name, column in texts.items() if name and name not in COLUMNS
    }
    table = pa.table(columns)
    if faults:
        good = ~np.isin(block.numbers, np.fromiter(faults, dtype=np.int64, count=len(faults)))
        table = table.filter(pa.array(good))
    return table, faults


def _note(faults: Faults, block: Block, wrong: pa.Array, reason: str) -> None:
    """Writes `reason` down for the rows that are wrong, unless they are wrong already."""
    for number in block.numbers[np.asarray(wrong, dtype=bool)].tolist():
        faults.setdefault(number, reason)


def _each(
    texts: pa.Array, parse_one: Callable[[str], T], block: Block, faults: Faults, kind: pa.DataType
) -> pa.Array:
    """Parses every distinct text once; null stays null, and so does what cannot be parsed."""
    codes = pc.dictionary_encode(texts)
    parsed: list[T | None] = []
    reasons: dict[int, str] = {}
    for code, text in enumerate(codes.dictionary.to_pylist()):
        try:
            parsed.append(parse_one(text))
        except BadManifestError as error:
            parsed.append(None)
            reasons[code] = error.message
    if reasons:
        for number, code in zip(block.numbers.tolist(), codes.indices.to_pylist(), strict=True):
            if code in reasons:
                faults.setdefault(number, reasons[code])
    return pa.array(parsed, kind).take(codes.indices)


def _labels(texts: dict[str, pa.Array], none: pa.Array, block: Block, faults: Faults) -> pa.Array:
    if "label" in texts or TRUTH not in texts:
        column, parse_one = texts.pop("label", none), parse_label
    else:
        column, parse_one = texts.pop(TRUTH), parse_truth
    _note(faults, block, pc.is_null(column), "there is no label")
    distinct = [text for text in pc.unique(column).to_pylist() if text]
    odd = next((text for text in distinct if is_other_number(text)), "")
    if odd and any(map(is_number, distinct)):
        line = block.numbers[pc.index(column, odd).as_py()]
        raise BadManifestError(
            f"line {line}: the label is {odd!r}; numbers are 0 for real and 1 for fake, so none of "
            "this column can be trusted",
            hint="write real and fake into the column label",
        )
    return _each(column, parse_one, block, faults, pa.uint8())


def _groups(texts: pa.Array, block: Block, faults: Faults) -> pa.Array:
    """Takes the groups; null, where none is named, becomes the file's own name later."""
    groups = pc.utf8_trim_whitespace(texts)
    _note(faults, block, pc.fill_null(pc.equal(groups, ""), False), "the group is empty")
    return groups


CORNERS: Final = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
)
SIZED: Final = (tuple(BOX), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
UNCLEAR: Final = ("bbox", "bounding_box", "face_box", "facebox")
_OF: Final = r"(?:(?:face|bbox|box)_?)?"
_ACROSS: Final = re.compile(
    _OF + r"(?:x_?(?:\d|min|max|c|cent(?:er|re))?|(?:c|start|end|cent(?:er|re)_?)_?x|left|right)"
)
_DOWN: Final = re.compile(
    _OF + r"(?:y_?(?:\d|min|max|c|cent(?:er|re))?|(?:c|start|end|cent(?:er|re)_?)_?y|top|bottom)"
)
_SIZE: Final = re.compile(_OF + r"(?:w|h|width|height)")
_POINTS: Final = ("x3", "y3")
"""Beside x1 to y2 they are landmarks, such as eyes and mouth."""


def _boxes(texts: dict[str, pa.Array], block: Block, faults: Faults) -> dict[str, pa.Array]:
    """Takes `x`, `y`, `width`, `height`, two corners, or a list in `box`.

    Raises:
        BadManifestError: If boxes are in a column that does not say what its numbers are.
    """
    four = next((names for names in (*SIZED, *CORNERS) if texts.keys() >= set(names)), ())
    four = () if texts.keys() >= set(_POINTS) and four not in SIZED else four
    if "box" in texts:
        boxes = _each(texts.pop("box"), _parse_box, block, faults, pa.list_(pa.float64(), 4))
        sides = [pc.list_element(boxes, place) for place in range(len(BOX))]
    elif four:
        sides = [
            _each(_said(texts.pop(name)), _parse_side, block, faults, pa.float64()) for name in four
        ]
        if four in CORNERS:
            sides[2:] = [
                pc.subtract(end, start) for start, end in zip(sides, sides[2:], strict=False)
            ]
        missing = [pc.is_null(side) for side in sides]
        some, everything = pc.or_(missing[0], missing[1]), pc.and_(missing[0], missing[1])
        for side in missing[2:]:
            some, everything = pc.or_(some, side), pc.and_(everything, side)
        _note(faults, block, pc.and_not(some, everything), "the box is not complete")
    else:
        _check_clear(texts, block)
        return {}
    x, y, width, height = (np.asarray(side.to_numpy(zero_copy_only=False)) for side in sides)
    _note(faults, block, (width <= 0) | (height <= 0), "the box has no area")
    _note(faults, block, (width < LEAST_SIDE) | (height < LEAST_SIDE), TOO_SMALL)
    _note(faults, block, (x + width <= 0) | (y + height <= 0), "the box lies outside of the photo")
    return dict(zip(BOX, sides, strict=True))


def _check_clear(texts: dict[str, pa.Array], block: Block) -> None:
    """Refuses columns that could be a box in a way that is not known."""
    told = [one for one in texts if not pc.all(pc.is_null(_said(texts[one]))).as_py()]
    for name in (one for one in UNCLEAR if one in told):
        raise BadManifestError(
            f"line {block.numbers[0]}: the column {name} does not say what its numbers are",
            hint="call it box if they are x, y, width, height; leave it out for face crops",
        )
    across, down = ([one for one in told if kind.fullmatch(one)] for kind in (_ACROSS, _DOWN))
    sizes = [one for one in told if _SIZE.fullmatch(one)]
    if across and down and len(across) + len(down) + len(sizes) >= len(BOX):
        names = ", ".join([*across, *down, *sizes])
        raise BadManifestError(
            f"line {block.numbers[0]}: the columns {names} could be a box, or points",
            hint=f"boxes are called {', '.join(BOX)} or {', '.join(CORNERS[0])}; rename others",
        )


def _parse_box(text: str) -> Box | None:
    if not text.strip():
        return None
    try:
        sides = json.loads(text)
    except ValueError:
        sides = None
    if not isinstance(sides, list) or len(sides) != len(BOX):
        raise BadManifestError(f"the box is a list of x, y, width, height, not {text!r}")
    return Box(*(_parse_side(str(side)) for side in sides))


def _parse_side(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadManifestError(f"a box is made of numbers, not {text!r}")
    return value


def _frames(
    texts: dict[str, pa.Array], names: pa.Array, block: Block, faults: Faults
) -> dict[str, pa.Array]:
    """Takes the frame of rows that are videos; for images it is a note like any other."""
    if "frame" not in texts:
        return {}
    column = texts.pop("frame")
    image = pc.fill_null(pc.match_substring_regex(names, _IMAGE), False)
    if pc.any(image).as_py():
        texts["frame"] = pc.if_else(image, column, None)
    of_video = _said(pc.if_else(image, None, column))
    return {"frame": _each(of_video, _parse_frame, block, faults, pa.int64())}


def _parse_frame(text: str) -> int:
    if not text.strip().isdecimal() or len(text) > 12:
        raise BadManifestError(f"a frame is a whole number from 0, not {text!r}")
    return int(text)


def _said(texts: pa.Array) -> pa.Array:
    """Returns texts with null for the empty ones, which is how CSV writes that."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)
