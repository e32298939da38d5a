"""How a file was encoded, so that a changed copy is encoded alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from PIL import Image, JpegImagePlugin

Coding = Mapping[str, Any]
"""What Pillow's `save` takes to encode as a file was encoded."""

WEBP_QUALITY: Final = 90
"""For lossy WebP, whose files do not tell their quality."""

_LOSSLESS_TIFF: Final = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate")


def coding_of(image: Image.Image, data: bytes) -> Coding | None:
    """Returns how a file was encoded; None for formats that demagnify does not write.

    JPEG keeps its quantisation tables, chroma subsampling and progression, TIFF a lossless
    compression. Lossy WebP is written with `WEBP_QUALITY`.

    Args:
        image: The photograph as `images.opened` yields it.
        data: The file's content.
    """
    reader = _READERS.get(image.format or "")
    return None if reader is None else reader(image, data)


def format_of(image: Image.Image) -> str:
    """Returns the format to write: phones' several pictures in one JPEG become a plain one."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def _jpeg(image: Image.Image, _data: bytes) -> Coding:
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return {}
    coding: dict[str, Any] = {"progressive": bool(image.info.get("progressive"))}
    # A table for each component, brightness first; the last two share theirs as a rule.
    numbers = [component[3] for component in image.layer[:3]]
    while len(numbers) > 1 and numbers[-1] == numbers[-2]:
        numbers.pop()
    coding["qtables"] = [image.quantization[number] for number in numbers]
    subsampling = JpegImagePlugin.get_sampling(image)
    if subsampling >= 0:
        coding["subsampling"] = subsampling
    return coding


def _webp(_image: Image.Image, data: bytes) -> Coding:
    if b"VP8L" in set(_riff_chunks(data)):
        return {"lossless": True, "exact": True}
    return {"quality": WEBP_QUALITY}


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    """Yields the names of the chunks of a WebP file; of an animation, those of its frames too."""
    position = 12
    while position + 8 <= len(data):
        name = data[position : position + 4]
        yield name
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + (16 if name == b"ANMF" else size + size % 2)


def _tiff(image: Image.Image, _data: bytes) -> Coding:
    compression = image.info.get("compression")
    return {"compression": compression if compression in _LOSSLESS_TIFF else "tiff_adobe_deflate"}


def _plain(_image: Image.Image, _data: bytes) -> Coding:
    return {}


_READERS: Final[Mapping[str, Callable[[Image.Image, bytes], Coding]]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _plain,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _plain,
    "GIF": _plain,
}
