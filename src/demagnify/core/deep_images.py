"""Images with more than 8 bits: greyscale, and TIFF files of colours as floating-point numbers.

They are scaled to 8 bits a stripe at a time, so that large ones take few bytes a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

_STRIPE: Final = 2**20
_DEEP: Final = 65535.0
_LEVELS: Final = np.rint(np.arange(_DEEP + 1) * (255.0 / _DEEP)).astype(np.uint8)
"""The 8 bits of each of 16."""
_WIDTH, _HEIGHT, _SAMPLES, _FORMAT, _ORIENTATION, _PROFILE = 256, 257, 277, 339, 274, 34675
_FLOAT: Final = 3


def deep_grey(image: Image.Image) -> Image.Image:
    """Returns greyscale of more than 8 bits as 8; plain `convert` would clip it to white.

    Formats with 32-bit or float samples do not say which value is white: it is 1 for floats unless
    there is a larger one, then 255, then 65535.
    """
    width, height = image.size
    rows = max(1, _STRIPE // width)
    stripes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    whole = image.mode.startswith("I;16")
    white = _DEEP
    if not (whole or image.format == "PNG"):
        highest = max(float(_values(image, stripe).max(initial=0.0)) for stripe in stripes)
        white = _white(highest, floats=image.mode == "F")
    grey = np.empty((height, width), dtype=np.uint8)
    for stripe in stripes:
        part = grey[stripe[1] : stripe[3]]
        if whole:
            np.take(_LEVELS, np.asarray(image.crop(stripe)), out=part, mode="clip")
        else:
            part[:] = np.clip(np.rint(_values(image, stripe) * (255.0 / white)), 0, 255)
    return Image.fromarray(grey)


def _values(image: Image.Image, stripe: tuple[int, int, int, int]) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(image.crop(stripe), dtype=np.float64))


def _white(highest: float, *, floats: bool) -> float:
    if floats and highest <= 1.0:
        return 1.0
    return 255.0 if highest <= 255.0 else _DEEP


def float_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a TIFF of floating-point colours; None of anything else."""
    tags = _tags(data)
    samples = tags.get(_FORMAT, ())
    if not samples or set(samples) != {_FLOAT} or tags.get(_SAMPLES) not in (3, 4):
        return None
    try:
        return int(tags[_WIDTH]), int(tags[_HEIGHT])
    except (KeyError, TypeError, ValueError):
        return None


def _tags(data: bytes) -> dict[int, Any]:
    """Returns the tags of the first image of a TIFF file; none of a file that is damaged."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return {}
    file = io.BytesIO(data)
    try:
        found = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(found.next)
        found.load(file)
        return dict(found)
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError):
        return {}


def read_float(data: bytes) -> Image.Image:
    """Returns a TIFF of floating-point colours as an image of 8 bits, RGB or RGBA.

    Raises:
        OSError: If it cannot be decoded.
    """
    colours = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if colours is None or colours.ndim != 3 or colours.shape[2] not in (3, 4):
        raise OSError("floating-point colours in a coding that cannot be read")
    white = _white(max(float(part.max(initial=0)) for part in _stripes(colours)), floats=True)
    channels = colours.shape[-1]
    levels: NDArray[np.uint8] = np.empty(colours.shape, dtype=np.uint8)
    for found, part in zip(_stripes(colours), _stripes(levels), strict=True):
        part[:] = np.clip(np.rint(found * (255.0 / white)), 0, 255)
    del colours
    order = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
    image = Image.fromarray(cv2.cvtColor(levels, order))
    image.format = "TIFF"
    tags = _tags(data)
    if isinstance(tags.get(_PROFILE), bytes):
        image.info["icc_profile"] = tags[_PROFILE]
    image.getexif()[_ORIENTATION] = tags.get(_ORIENTATION, 1)
    return image


def _stripes(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yields an image a few rows at a time; of floats, with numbers in place of NaN."""
    rows = max(1, _STRIPE // array.shape[1])
    for top in range(0, len(array), rows):
        part = array[top : top + rows]
        yield part if part.dtype == np.uint8 else np.nan_to_num(part.astype(np.float64))
