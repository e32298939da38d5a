"""Boxes that were drawn on a photograph before its EXIF orientation turned it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import ExifTags, Image

from demagnify.data.records import Box

_ON_ITS_SIDE: Final = (5, 6, 7, 8)
_LEFT_FROM_BELOW: Final = (6, 7)
_TOP_FROM_RIGHT: Final = (7, 8)


def upright(box: Box, path: Path, *, meant: str, width: int, height: int) -> tuple[Box, str]:
    """Returns a box as it lies in the upright photograph, and the size that it is meant for then.

    Some tools draw boxes on the photograph as it is stored, others as it is shown. Which one it
    was, its stated size tells if the photograph is stored on its side; one that is upside down, or
    square, is taken as shown.

    Args:
        box: The box.
        path: The photograph.
        meant: For which size the box is meant, as in "1024x683".
        width: The upright photograph's.
        height: The upright photograph's.
    """
    if width == height or meant != f"{height}x{width}":
        return box, meant
    with Image.open(path) as image:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    if orientation not in _ON_ITS_SIDE:
        return box, meant
    # As stored, the photograph is `height` wide and `width` high.
    left = width - box.y - box.height if orientation in _LEFT_FROM_BELOW else box.y
    top = height - box.x - box.width if orientation in _TOP_FROM_RIGHT else box.x
    return Box(left, top, box.height, box.width), f"{width}x{height}"
