"""What the file of a photograph carries beside its pixels: EXIF, colour profile, XMP, texts."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import ExifTags, Image

from demagnify.core import colour
from demagnify.core.orientation import XMP_ORIENTATION

_EXIF_HEAD: Final = b"Exif\0\0"
_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION: Final = int(ExifTags.Base.Orientation)
_LONG: Final = 4
# Text chunks of PNG in which ImageMagick and Adobe keep what has a place of its own here.
_METADATA_IN_TEXT: Final = ("Raw profile type ", "XML:com.adobe.xmp")
# Tags of a TIFF file that describe how its pixels are laid out, not the photograph.
_TIFF_LAYOUT: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 284, 292, 293}
    | {301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347}
    | {512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532, 700, 34675}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The parts of a file that are carried over; empty where it has none.

    EXIF and XMP say that the photograph is upright, because its pixels are.

    Attributes:
        exif: The EXIF block, as it was but for the orientation.
        icc_profile: The colour profile, if it fits the colours that are written.
        xmp: The XMP packet, as it was but for the orientation.
        dpi: Pixels per inch across and down.
        comment: A JPEG's or GIF's comment.
        text: A PNG's text chunks.
    """

    exif: bytes = b""
    icc_profile: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    comment: bytes = b""
    text: Mapping[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Returns what of it Pillow's `save` takes by name, in every format that has it."""
        named = {
            "exif": self.exif,
            "icc_profile": self.icc_profile,
            "xmp": self.xmp,
            "dpi": self.dpi,
            "comment": self.comment,
        }
        return {name: value for name, value in named.items() if value}


def read_metadata(image: Image.Image, *, grey: bool) -> Metadata:
    """Collects the metadata of a photograph as `images.opened` yields it."""
    return Metadata(
        exif=straighten_exif(_exif(image)),
        icc_profile=_profile(image, grey=grey),
        xmp=straighten_xmp(_bytes(image.info.get("xmp"))),
        dpi=_dpi(image.info.get("dpi")),
        comment=_bytes(image.info.get("comment")),
        text={
            key: value
            for key, value in getattr(image, "text", {}).items()
            if not key.startswith(_METADATA_IN_TEXT)
        },
    )


def straighten_exif(exif: bytes) -> bytes:
    """Returns an EXIF block that says "upright", every other byte as it was.

    The block is patched, not written anew: makers' notes hold offsets that would break. One that
    cannot be followed is left out, since it may say anything of the orientation.
    """
    start = len(_EXIF_HEAD) if exif.startswith(_EXIF_HEAD) else 0
    order = _BYTE_ORDERS.get(exif[start : start + 4])
    if order is None:
        return b""
    patched = bytearray(exif)
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, start + 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start + first)
        for number in range(count):
            entry = start + first + 2 + 12 * number
            tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
            if tag == _ORIENTATION:
                width = "I" if kind == _LONG else "H"
                struct.pack_into(f"{order}{width}", patched, entry + 8, 1)
    except struct.error:
        return b""
    return bytes(patched)


def straighten_xmp(xmp: bytes) -> bytes:
    """Returns an XMP packet that says "upright", every other byte as it was."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def _exif(image: Image.Image) -> bytes:
    found = image.info.get("exif")
    if isinstance(found, bytes):
        return found
    tags = image.getexif()  # TIFF keeps them among its own tags, old PNG files in text
    for tag in _TIFF_LAYOUT & set(tags):
        del tags[tag]
    return tags.tobytes() if tags else b""


def _profile(image: Image.Image, *, grey: bool) -> bytes:
    """Returns the profile of the copy: the file's, if it is sRGB or pixels are converted into it.

    A profile for other colours than are written is left out: CMYK, say, has become RGB.
    """
    profile = image.info.get("icc_profile") or b""
    space, mode = (b"GRAY", "L") if grey else (b"RGB ", "RGB")
    if profile[16:20] != space:
        return b""
    if colour.changes(profile, mode):
        return profile_to_keep(image, grey=grey)
    return profile


def _dpi(value: object) -> tuple[float, float] | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    across, down = (float(part) for part in value)
    fine = all(math.isfinite(part) and 0 < part < 65536 for part in (across, down))
    return (across, down) if fine else None


def _bytes(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def profile_to_keep(image: Image.Image, *, grey: bool) -> bytes:
    """Returns the profile of a file with another colour space than sRGB that a copy keeps.

    A copy in greyscale or from CMYK is sRGB, and so is one whose profile converts in one
    direction only: it has no profile.
    """
    profile = image.info.get("icc_profile") or b""
    if grey or not colour.changes(profile, "RGB") or not colour.invertible(profile):
        return b""
    return profile
