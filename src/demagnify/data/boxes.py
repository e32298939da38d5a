"""Where the boxes of a data set lie in its photographs: one way for all that cut faces out.

Some tools draw boxes on a photograph as its file stores it, others as it is shown, turned by its
EXIF orientation. What the data set says of the photograph decides between the two; where that
leaves both open, or the photograph has another size now, the box is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demagnify.core.errors import BadImageError
from demagnify.data.records import PHOTO_SIZE, Box, Record

ORIENTATION: Final = "box_orientation"
"""The column that says what boxes were drawn on: "upright", or "stored"."""

ON_ITS_SIDE: Final = (5, 6, 7, 8)
"""EXIF orientations of photographs whose width and height are exchanged."""

_SIDES: Final = ("image_width", "image_height")
_FROM_RIGHT: Final = (2, 3, 6, 7)
_FROM_BELOW: Final = (3, 4, 7, 8)
LEAST_INSIDE: Final = 0.25
"""Share of a box; one that overhangs more is for another photograph."""
LEAST_SIDE: Final = 2.0
"""Pixels; a smaller box is written in shares of the photograph's sides."""
TOO_SMALL: Final = f"the box is smaller than {LEAST_SIDE:g} pixels; boxes are in pixels, not shares"
_HINT: Final = f"name it in the column {ORIENTATION} (upright or stored), or the option boxes"


def upright_box(box: Box, record: Record, *, width: int, height: int, orientation: int = 1) -> Box:
    """Returns a record's box in the upright photograph.

    Args:
        box: The box as the data set has it.
        record: Its record. In `extra`, `photo_size` ("1024x683", or `image_width` and
            `image_height`) is the size of the photograph that the box is for, and
            `box_orientation` says what it was drawn on; both may be missing.
        width: Width of the upright photograph.
        height: Height of the upright photograph.
        orientation: The photograph's EXIF orientation, 1 to 8; 1 is stored upright.

    Raises:
        BadImageError: If the box is for a photograph of another size, lies outside, or could be
            meant either way.

    Example:
        >>> from pathlib import Path
        >>> photo = Record(Path("a.jpg"), 1, "all", "a", {"photo_size": "1000x640"})
        >>> upright_box(Box(337, 387, 80, 90), photo, width=640, height=1000, orientation=6)
        Box(x=163, y=337, width=90, height=80)
    """
    stored = (height, width) if orientation in ON_ITS_SIDE else (width, height)
    found = _rotated(box, orientation, width, height)
    if _is_upright(box, found, record.extra, f"{width}x{height}", "{}x{}".format(*stored)):
        found = box
    if _inside(found, width, height) < LEAST_INSIDE:
        raise BadImageError(f"the box is outside of the photograph ({width}x{height} pixels)")
    return found


def _is_upright(box: Box, turned: Box, extra: Mapping[str, str], shown: str, stored: str) -> bool:
    """Whether a box was drawn on the photograph as it is shown."""
    meant, drawn_on = stated_size(extra), extra.get(ORIENTATION, "")
    if meant not in ("", shown, stored):
        raise BadImageError(
            f"the photograph has {shown} pixels, but its boxes are meant for {meant}"
        )
    if drawn_on not in ("", "upright", "stored"):
        raise BadImageError(f"{ORIENTATION} is upright or stored, not {drawn_on!r}")
    if drawn_on or max(abs(a - b) for a, b in zip(box, turned, strict=True)) <= 1:
        return drawn_on != "stored"
    if not meant or shown == stored:
        raise BadImageError(
            "the photograph is turned by its EXIF orientation, and nothing says if its boxes were "
            "drawn on it as shown or as stored",
            hint=_HINT,
        )
    return meant == shown


def stated_size(extra: Mapping[str, str]) -> str:
    """Returns the size of the photograph that a box is for, "1024x683"; empty if it is unknown."""
    sides = [extra.get(name, "").strip().removesuffix(".0") for name in _SIDES]
    return extra.get(PHOTO_SIZE, "").strip() or ("x".join(sides) if all(sides) else "")


def without_statement(extra: Mapping[str, object]) -> dict[str, object]:
    """Returns a row without what they say of the photograph's size and orientation."""
    said = (PHOTO_SIZE, ORIENTATION, *_SIDES)
    return {name: value for name, value in extra.items() if name not in said}


def _rotated(box: Box, orientation: int, width: int, height: int) -> Box:
    """Returns a box of the stored photograph in the upright one, of `width` x `height`."""
    x, y, across, down = box
    if orientation in ON_ITS_SIDE:
        x, y, across, down = y, x, down, across
    if orientation in _FROM_RIGHT:
        x = width - x - across
    if orientation in _FROM_BELOW:
        y = height - y - down
    return Box(x, y, across, down)


def _inside(box: Box, width: int, height: int) -> float:
    """Returns the share of a box that lies inside of the photograph."""
    across = min(box.x + box.width, width) - max(box.x, 0)
    down = min(box.y + box.height, height) - max(box.y, 0)
    return max(across, 0) * max(down, 0) / (box.width * box.height)
