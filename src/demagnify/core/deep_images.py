"""Images with more than 8 bits: greyscale, and TIFF files of colours as floating-point numbers.

They are scaled to 8 bits a stripe at a time, so that large ones take few bytes a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
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
_OVER: Final = 0.1
_LEAST_BYTE: Final = 16.0
_LEAST_DEEP: Final = 8192.0
"""The least brightest value of float images from 0 to 255, and from 0 to 65535."""


def deep_grey(image: Image.Image) -> Image.Image:
    """Returns greyscale of more than 8 bits as 8; plain `convert` would clip it to white.

    Formats with 32-bit or float samples do not say which value is white: it is 1 for floats, or
    255, or 65535, by the values that are there; what fits none of them is refused.

    Raises:
        OSError: If which value is white is not known.
    """
    width, height = image.size
    rows = max(1, _STRIPE // width)
    stripes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    whole = image.mode.startswith("I;16")
    white = _DEEP
    if not (whole or image.format == "PNG"):
        white = _white(map(partial(_values, image), stripes), floats=image.mode == "F")
    grey = np.empty((height, width), dtype=np.uint8)
    for stripe in stripes:
        part = grey[stripe[1] : stripe[3]]
        if whole:
            np.take(_LEVELS, np.asarray(image.crop(stripe)), out=part, mode="clip")
        else:
            part[:] = np.clip(np.rint(_values(image, stripe) * (255.0 / white)), 0, 255)
    return Image.fromarray(grey)


def _values(image: Image.Image, stripe: tuple[int, int, int, int]) -> NDArray[np.float64]:
    return _filled(np.asarray(image.crop(stripe), dtype=np.float64))


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns values with 0 in place of NaN, which marks holes."""
    return np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)


def _white(stripes: Iterable[NDArray[np.float64]], *, floats: bool) -> float:
    """Returns the value that is white, by the lowest and the highest that are there.

    Raises:
        OSError: If they fit no usual range; any guess could turn the picture black or white.
    """
    ends = [(float(part.min(initial=0.0)), float(part.max(initial=0.0))) for part in stripes]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    for white, least in ((1.0, 0.0), (255.0, _LEAST_BYTE), (_DEEP, _LEAST_DEEP)):
        over = _OVER * white if floats else 0.0  # resampling overshoots
        fits = high >= least if floats else white > 1.0
        if fits and -over <= low and high <= white + over:
            return white
    raise OSError(
        f"its values reach from {low:g} to {high:g}, and which of them is white is not known; "
        "save it as 8 or 16 bits, or as floats from 0 to 1"
    )


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
    white = _white(_stripes(colours), floats=True)
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
        yield part if part.dtype == np.uint8 else _filled(part.astype(np.float64))
