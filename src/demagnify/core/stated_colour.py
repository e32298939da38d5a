"""Colours that a file states without a colour profile, as a profile.

PNG says them in the chunks cICP or gAMA and cHRM, AVIF and HEIC in the box colr; cameras say "Adobe
RGB" in the EXIF data alone (the index R03 of DCF, or the colour space 2). A profile in the file,
and sRGB in PNG, come first.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from demagnify.core import iso_boxes, jpeg2000

Points = tuple[tuple[float, float], ...]

_D65: Final = (0.3127, 0.3290)
_SRGB: Final[Points] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_ADOBE: Final[Points] = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
_ADOBE_GAMMA: Final = 563 / 256
_SMPTE: Final[Points] = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_PRIMARIES: Final[dict[int, Points]] = {
    1: _SRGB,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE,
    7: _SMPTE,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
"""Of H.273: BT.709, BT.601 (625 and 525 lines), SMPTE 240M, BT.2020, Display P3."""
_VIDEO: Final = (1, 6, 14, 15)
_POWERS: Final = {13: 0.0, 4: 2.2, 5: 2.8, 8: 1.0, **dict.fromkeys(_VIDEO, 0.0)}
"""Of H.273: the gamma of a transfer, 0 for sRGB, as which pictures in BT.709 are shown."""
_NEAR: Final = 0.01
_USUAL: Final = (0.43, 0.48)
"""gAMA of sRGB, and of what others write for it."""
_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_D50: Final = np.array([0.9642, 1.0, 0.8249])
_BRADFORD: Final = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_INTEROP: Final = 0xA005
_COLOUR_SPACE: Final = 0xA001


def with_profile(image: Image.Image, data: bytes) -> Image.Image:
    """Returns an image with the colours that its file states, where Pillow does not read them.

    Args:
        image: The file as Pillow opened it.
        data: The file.

    Raises:
        OSError: If they are of high dynamic range, which no profile describes.
    """
    found = b""
    if image.format == "JPEG2000":
        found = jpeg2000.profile(data)
    elif image.format == "PNG":
        found = _of_png(image, data)
    elif image.format in ("AVIF", "HEIF") and "icc_profile" not in image.info:
        found = _of_points(*(iso_boxes.stated_colours(data) or (1, 13)), "colr", image)
    elif image.format == "JPEG" and "icc_profile" not in image.info and _is_adobe(image):
        found = make_profile(_ADOBE, _ADOBE_GAMMA)
    if found:
        image.info["icc_profile"] = found
    return image


def _of_png(image: Image.Image, data: bytes) -> bytes:
    for name, content in _chunks(data):
        if name == b"cICP" and len(content) == 4:
            primaries, transfer, _, full = content
            return _of_points(primaries, transfer if full else -1, "cICP", image)
    gamma, chroma = image.info.get("gamma"), image.info.get("chromaticity")
    if {"icc_profile", "srgb"} & set(image.info) or not (gamma or chroma):
        return b""
    points = _points(chroma) or _SRGB
    power = 0.0 if not gamma or _USUAL[0] <= gamma <= _USUAL[1] else 1 / gamma
    return make_profile(points, power, grey=_is_grey(image))


def _is_grey(image: Image.Image) -> bool:
    return image.mode.startswith(("1", "L", "I"))


def _of_points(primaries: int, transfer: int, where: str, image: Image.Image) -> bytes:
    """Returns the profile of code points of H.273."""
    if transfer not in _POWERS or primaries not in _PRIMARIES:
        raise OSError(
            f"its colours ({where} {primaries}, {transfer}) are of high dynamic range or not "
            "known; save it in sRGB"
        )
    return make_profile(_PRIMARIES[primaries], _POWERS[transfer], grey=_is_grey(image))


def _points(chroma: object) -> Points | None:
    """Returns primaries and white of cHRM; None if they are none."""
    if not isinstance(chroma, tuple) or len(chroma) != 8:
        return None
    white, *others = zip(chroma[::2], chroma[1::2], strict=True)
    points = (*others, white)
    corners = [*others, others[0]]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(corners))
    sound = all(0 <= x <= 1 and 0 < y <= 1 for x, y in points) and abs(area) > _NEAR
    return points if sound else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the chunks of a PNG before its pixels."""
    place = 8
    while place + 8 <= len(data) and data[place + 4 : place + 8] != b"IDAT":
        (length,) = struct.unpack(">I", data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def _is_adobe(image: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # odd EXIF data say nothing
        exif = image.getexif()
        if str(exif.get_ifd(_INTEROP).get(1, "")).startswith("R03"):
            return True
        return exif.get_ifd(ExifTags.IFD.Exif).get(_COLOUR_SPACE) == 2
    return False


@lru_cache(maxsize=64)
def make_profile(points: Points, power: float, *, grey: bool = False) -> bytes:
    """Returns an ICC profile of primaries and gamma; empty for those of sRGB.

    Args:
        points: x and y of red, green, blue and white.
        power: The gamma; 0 for the curve of sRGB.
        grey: Whether it is for greyscale, which has no primaries.
    """
    near = np.abs(np.array(points) - np.array(_SRGB)).max() <= _NEAR
    if not power and (grey or near):
        return b""
    kind, numbers = (0, (power,)) if power else (3, _CURVE)
    curve = b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(map(_number, numbers))
    tags = {b"desc": _text("stated"), b"cprt": _text("none"), b"wtpt": _place(_D50)}
    if grey:
        return _profile(b"GRAY", {**tags, b"kTRC": curve})
    for letter, column in zip((b"r", b"g", b"b"), _matrix(points).T, strict=True):
        tags |= {letter + b"XYZ": _place(column), letter + b"TRC": curve}
    return _profile(b"RGB ", tags)


def _matrix(points: Points) -> NDArray[np.float64]:
    """Returns linear RGB -> XYZ at D50, (3, 3)."""
    *primaries, white = (np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in points)
    columns = np.stack(primaries, axis=1)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    to_xyz = columns * np.linalg.solve(columns, white)
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ to_xyz)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, content = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, one in tags.items():
        table += name + struct.pack(">II", start + len(content), len(one))
        content += one + bytes(-len(one) % 4)
    head = struct.pack(">4sI4s4s4s", b"lcms", 0x04300000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(map(_number, _D50)) + bytes(48)
    return struct.pack(">I", 4 + len(head) + len(table) + len(content)) + head + table + content


def _text(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(body), 28) + body


def _place(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, values))


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
