"""Writing PNG fast, with metadata."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from demagnify.data.photographs.metadata import Metadata

# OpenCV writes a photograph two to three times as fast as Pillow, about a tenth larger.
_FAST: Final = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
_TO_OPENCV: Final = {"RGB": cv2.COLOR_RGB2BGR, "RGBA": cv2.COLOR_RGBA2BGRA}
_SIGNATURE_AND_HEADER: Final = 8 + 25


def encode_png(image: Image.Image, metadata: Metadata) -> bytes:
    """Returns a photograph as a PNG file, losslessly.

    Args:
        image: Of mode L, LA, RGB or RGBA.
        metadata: What the file shall say.
    """
    if image.mode == "LA":  # OpenCV does not write it
        return _pillow(image, metadata)
    pixels = np.asarray(image)
    if image.mode in _TO_OPENCV:
        pixels = cv2.cvtColor(pixels, _TO_OPENCV[image.mode])
    _, encoded = cv2.imencode(".png", pixels, _FAST)
    written = encoded.tobytes()
    chunks = b"".join(_said(image.mode, metadata))
    head, rest = written[:_SIGNATURE_AND_HEADER], written[_SIGNATURE_AND_HEADER:]
    return head + chunks + rest


def _said(mode: str, metadata: Metadata) -> Iterator[bytes]:
    """Yields the chunks that hold the metadata, as Pillow writes them beside a single pixel."""
    if metadata == Metadata():
        return
    donor = _pillow(Image.new(mode, (1, 1)), metadata)
    position = _SIGNATURE_AND_HEADER
    while position < len(donor):
        size = 12 + int.from_bytes(donor[position : position + 4], "big")
        if donor[position + 4 : position + 8] not in (b"IDAT", b"IEND"):
            yield donor[position : position + size]
        position += size


def _pillow(image: Image.Image, metadata: Metadata) -> bytes:
    options: dict[str, Any] = metadata.options()
    texts = PngImagePlugin.PngInfo()
    if xmp := options.pop("xmp", b""):
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    if comment := options.pop("comment", b""):
        texts.add_text("Comment", comment.decode("latin-1"))
    for key, value in metadata.text.items():
        texts.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=texts, compress_level=1, **options)
    return buffer.getvalue()
