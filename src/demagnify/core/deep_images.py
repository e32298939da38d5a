"""Images with more than 8 bits: greyscale, and TIFF files of colours as floating-point numbers.

They are scaled to 8 bits a stripe at a time, so that large ones take few bytes a pixel.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from demagnify.core import opencv, tiff_strips

_STRIPE: Final = 2**20
_BYTE: Final = 8
_DEEP: Final = 65535.0
_LEVELS: Final = np.rint(np.arange(_DEEP + 1) * (255.0 / _DEEP)).astype(np.uint8)
"""The 8 bits of each of 16."""
_WIDTH, _HEIGHT, _SAMPLES, _FORMAT, _ORIENTATION, _PROFILE = 256, 257, 277, 339, 274, 34675
_PHOTOMETRIC: Final = 262
_BITS: Final = 258
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
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    width, height = image.size
    rows = max(1, _STRIPE // width)
    stripes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    whole = image.mode.startswith("I;16")
    bits = int(np.ravel(tags.get(_BITS, (16,)))[0])
    white, table = _DEEP, _LEVELS
    if whole and bits < 16:
        table = np.take(_LEVELS, np.rint(np.linspace(0, _DEEP, 2**bits)).astype(np.int64))
    if not (whole or image.format == "PNG"):
        white = _white(map(partial(_values, image), stripes), floats=image.mode == "F")
    grey = np.empty((height, width), dtype=np.uint8)
    for stripe in stripes:
        part = grey[stripe[1] : stripe[3]]
        if whole:
            np.take(table, np.asarray(image.crop(stripe)), out=part, mode="clip")
        else:
            part[:] = np.clip(np.rint(_values(image, stripe) * (255.0 / white)), 0, 255)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        np.subtract(255, grey, out=grey)
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


def scale_transparent(image: Image.Image, data: bytes) -> Image.Image:
    """Returns an image whose transparent value is one of its levels.

    Of grey PNG of 2 and 4 bits Pillow scales the levels, but not that value.
    """
    value = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(value, int):
        image.info["transparency"] = value * (2**_BYTE - 1) // (2 ** min(data[24], _BYTE) - 1)
    return image


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
    tags, (width, height) = _tags(data), float_size(data) or (0, 0)
    levels: NDArray[np.uint8] = np.empty((height, width, tags[_SAMPLES]), dtype=np.uint8)
    ends: list[NDArray[np.float64]] = []
    used: list[float] = []
    for rows, found in _float_rows(data, tags, levels.shape):
        ends.append(np.array([found.min(initial=0.0), found.max(initial=0.0)]))
        with contextlib.suppress(OSError):  # what is white shows later
            used.append(white := _white(ends, floats=True))
            levels[rows] = _levels(found, white)
    white = _white(ends, floats=True)
    if used != [white] * len(ends):
        for rows, found in _float_rows(data, tags, levels.shape):
            levels[rows] = _levels(found, white)
    image = Image.fromarray(levels)
    image.format = "TIFF"
    if isinstance(tags.get(_PROFILE), bytes):
        image.info["icc_profile"] = tags[_PROFILE]
    image.getexif()[_ORIENTATION] = tags.get(_ORIENTATION, 1)
    return image


def _float_rows(
    data: bytes, tags: dict[int, Any], shape: tuple[int, ...]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yields a few rows at a time, (n, W, channels) in the order RGB or RGBA, 0 in place of NaN.

    Raises:
        OSError: If they cannot be decoded.
    """
    height, width, channels = shape
    done = 0
    for top, part in tiff_strips.parts(data, tags, max(1, _STRIPE // width)):
        colours = opencv.decode(part)
        if colours is None or colours.ndim != 3 or colours.shape[1:] != (width, channels):
            raise OSError("floating-point colours in a coding that cannot be read")
        order = [2, 1, 0, 3][:channels]
        step = max(1, _STRIPE // width)
        for row in range(0, len(colours), step):
            with np.errstate(invalid="ignore"):  # some kinds of NaN
                found = _filled(colours[row : row + step, :, order].astype(np.float64))
            yield slice(top + row, top + row + len(found)), found
        done += len(colours)
    if done != height:
        raise OSError("rows are missing")


def _levels(values: NDArray[np.float64], white: float) -> NDArray[np.uint8]:
    np.rint(np.multiply(values, 255.0 / white, out=values), out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)
