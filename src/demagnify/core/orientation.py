"""How a photograph is stored: upright, turned or mirrored, by its EXIF data or else its XMP."""

from __future__ import annotations

import re
from typing import Final

from PIL import ExifTags, Image, TiffImagePlugin

UPRIGHT: Final = 1
XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)([1-8])(?![0-9])")
"""An orientation in XMP, as an attribute or an element."""

_NOTED: Final = "stored orientation"
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def note_orientation(image: Image.Image) -> None:
    """Notes how an image is stored, before it is loaded: Pillow turns TIFF itself, and forgets it.

    XMP counts where EXIF data say nothing, as in Pillow's `exif_transpose`.
    """
    tags = image.getexif()
    stated = tags.get(ExifTags.Base.Orientation)
    if stated is None:
        xmp = image.info.get("xmp")
        found = XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
        stated = int(found[2]) if found else UPRIGHT
        if found and isinstance(image, TiffImagePlugin.TiffImageFile):
            tags[ExifTags.Base.Orientation] = stated
    image.info[_NOTED] = int(stated) if stated in _TURNS else UPRIGHT


def orientation_of(image: Image.Image) -> int:
    """Returns the orientation of EXIF that `images.opened` noted, 1 to 8; 1 is upright."""
    return int(image.info.get(_NOTED, UPRIGHT))


def upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """Turns what was made of a loaded image as that is stored.

    Not `ImageOps.exif_transpose`: it writes the EXIF data anew, and fails where they are odd.
    """
    done = isinstance(image, TiffImagePlugin.TiffImageFile)
    turn = None if done else _TURNS.get(orientation_of(image))
    return pixels if turn is None else pixels.transpose(turn)
