"""What Pillow leaves out of JPEG 2000: colours of more than 8 bits, and colour profiles.

Pillow lets bright colours of more than 8 bits wrap round to black. See ISO/IEC 15444-1, annexes A
(the marker SIZ) and I (the boxes of a file).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from PIL import Image

_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_FILE: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_SIZES: Final = struct.Struct(">HH8IH")
_BYTE: Final = 8


def deep_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height of a JPEG 2000 in colours of more than 8 bits; None of all else."""
    depths, size = _header(data)
    return size if len(depths) > 1 and max(depths) > _BYTE else None


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
    """Returns a JPEG 2000 in colours of more than 8 bits as an image of 8, RGB or RGBA.

    Raises:
        OSError: If it cannot be decoded, or its channels differ.
    """
    depths, _ = _header(data)
    colours = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    usual = len(depths) in (3, 4) and len(set(depths)) == 1 and depths[0] > 0
    if colours is None or not usual or colours.dtype != np.uint16 or colours.ndim != 3:
        raise OSError("JPEG 2000 of more than 8 bits in a form that cannot be read")
    white = 2 ** depths[0] - 1
    table = np.rint(np.minimum(np.arange(65536), white) * (255.0 / white)).astype(np.uint8)
    order = cv2.COLOR_BGRA2RGBA if colours.shape[2] == 4 else cv2.COLOR_BGR2RGB
    image = Image.fromarray(cv2.cvtColor(table[colours], order))
    image.format = "JPEG2000"
    return image


def profile(data: bytes) -> bytes:
    """Returns the ICC profile in a JPEG 2000 file, which Pillow does not read; empty if none."""
    for kind, content in _boxes(data) if data.startswith(_FILE) else ():
        if kind == b"jp2h":
            for inner, colour in _boxes(content):
                if inner == b"colr" and colour[:1] in (b"\2", b"\3"):
                    return colour[3:]
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        length, head = int.from_bytes(data[place : place + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = place + length if length else len(data)
        if end < place + head:
            return
        yield data[place + 4 : place + 8], data[place + head : end]
        place = end
