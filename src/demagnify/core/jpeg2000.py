"""What Pillow leaves out of JPEG 2000: other depths than 8 bits, and colour profiles.

Pillow lets bright colours of more than 8 bits wrap round to black, and leaves fewer bits dark. See
ISO/IEC 15444-1, annexes A (the marker SIZ) and I (the boxes of a file).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from PIL import Image

from demagnify.core import opencv
from demagnify.core.iso_boxes import boxes

_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_FILE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_SIZES: Final = struct.Struct(">HH8IH")
_BYTE: Final = 8
_PALETTE: Final = b"pclr"


def deep_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG 2000 that Pillow gets wrong; None of all else.

    Pillow is right about 8 bits, deeper grey, and palettes.
    """
    depths, size = _header(data)
    if not depths or _PALETTE in dict(_about(data)):
        return None
    wrong = min(depths) < _BYTE or (len(depths) > 1 and max(depths) > _BYTE)
    return size if wrong else None


def _header(data: bytes) -> tuple[list[int], tuple[int, int]]:
    """Returns the bits of each channel, negative where samples have a sign, and the size."""
    start = 0 if data.startswith(_CODESTREAM) else data.find(_CODESTREAM)
    if start < 0 or not data.startswith((_CODESTREAM, _FILE)):
        return [], (0, 0)
    start += len(_CODESTREAM)
    try:
        _, _, right, below, left, top, *_, channels = _SIZES.unpack_from(data, start)
    except struct.error:
        return [], (0, 0)
    bits = data[start + _SIZES.size : start + _SIZES.size + 3 * channels : 3]
    depths = [-(bit & 127) - 1 if bit & 128 else bit + 1 for bit in bits]
    return depths, (right - left, below - top)


def read_deep(data: bytes) -> Image.Image:
    """Returns a JPEG 2000 of any depth as an image of 8 bits, grey, RGB or RGBA.

    Raises:
        OSError: If it cannot be decoded, or its channels differ.
    """
    depths, _ = _header(data)
    usual = len(depths) in (1, 3, 4) and len(set(depths)) == 1 and depths[0] > 0
    colours = opencv.decode(data) if usual else None
    if colours is None or colours.shape[2:] != ((len(depths),) if len(depths) > 1 else ()):
        raise OSError("JPEG 2000 of another depth than 8 bits in a form that cannot be read")
    white = 2 ** depths[0] - 1
    table = np.rint(np.minimum(np.arange(65536), white) * (255.0 / white)).astype(np.uint8)
    levels = table[colours]
    if colours.ndim > 2:
        order = cv2.COLOR_BGRA2RGBA if len(depths) > 3 else cv2.COLOR_BGR2RGB
        levels = cv2.cvtColor(levels, order)
    image = Image.fromarray(levels)
    image.format = "JPEG2000"
    return image


def profile(data: bytes) -> bytes:
    """Returns the ICC profile in a JPEG 2000 file, which Pillow does not read; empty if none."""
    for name, colour in _about(data):
        if name == b"colr" and colour[:1] in (b"\2", b"\3"):
            return colour[3:]
    return b""


def _about(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields what a file says about its picture."""
    for kind, content in boxes(data) if data.startswith(_FILE) else ():
        if kind == b"jp2h":
            yield from boxes(content)
