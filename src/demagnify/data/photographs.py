"""Photographs that are changed and written again as the files that they came from.

`demagnify.core.images` reads the pixels of a file only. A `Photograph` keeps what else its file
carries (format, JPEG tables, EXIF, ICC profile, XMP, transparency), so that a changed copy can be
published as the original was.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin

from demagnify.core import colour, images
from demagnify.core.errors import BadImageError, ImageContractError
from demagnify.core.images import Pixels, check_pixels
from demagnify.core.orientation import orientation_of, upright
from demagnify.data.photo_metadata import Metadata, profile_to_keep, read_metadata

Coding = Mapping[str, Any]
"""What Pillow's `save` takes to encode as a file was encoded."""

WEBP_QUALITY: Final = 90
"""For lossy WebP, whose files do not hold their quality."""

_LOSSLESS_TIFF: Final = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate")


def coding_of(image: Image.Image, data: bytes) -> Coding | None:
    """Returns how a file was encoded; None for formats that demagnify does not write.

    JPEG keeps its quantisation tables, chroma subsampling and progression, TIFF a lossless
    compression. Lossy WebP is written with `WEBP_QUALITY`.
    """
    reader = _READERS.get(image.format or "")
    return None if reader is None else reader(image, data)


def format_of(image: Image.Image) -> str:
    """Returns the format to write: a JPEG with several images becomes a plain one."""
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


# OpenCV writes a photograph two to three times as fast as Pillow, about a tenth larger.
_FAST: Final = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
_TO_OPENCV: Final = {"RGB": cv2.COLOR_RGB2BGR, "RGBA": cv2.COLOR_RGBA2BGRA}
_SIGNATURE_AND_HEADER: Final = 8 + 25


def encode_png(image: Image.Image, metadata: Metadata) -> bytes:
    """Returns a photograph of mode L, LA, RGB or RGBA as a PNG file, losslessly."""
    if image.mode == "LA":  # OpenCV does not write it
        return _pillow(image, metadata)
    pixels = np.asarray(image)
    if image.mode in _TO_OPENCV:
        pixels = cv2.cvtColor(pixels, _TO_OPENCV[image.mode])
    _, encoded = cv2.imencode(".png", pixels, _FAST)
    written = encoded.tobytes()
    chunks = b"".join(_metadata_chunks(image.mode, metadata))
    head, rest = written[:_SIGNATURE_AND_HEADER], written[_SIGNATURE_AND_HEADER:]
    return head + chunks + rest


def _metadata_chunks(mode: str, metadata: Metadata) -> Iterator[bytes]:
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


SaveAs = Literal["png", "original"]
"""Lossless PNG, or the format and JPEG tables that the original has."""

_GREY: Final = ("1", "L", "LA", "La", "F")


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A decoded photograph that can be written again like the file that it came from.

    Attributes:
        pixels: The photograph as all of demagnify sees it: upright uint8 RGB (H, W, 3),
            transparency laid on white. Not to be changed.
        format: The file's format as Pillow names it, "JPEG".
        grey: Whether the file is greyscale; copies are, too.
        stored: The file's own uint8 RGB or RGBA (H, W, 3 or 4), upright, where it has transparency
            or another colour space than sRGB; None where it equals `pixels`.
        coding: How the file was encoded; None if its format is only read.
        metadata: What the file says beside the pixels.
        orientation: The EXIF orientation that the file is stored in, 1 to 8.
    """

    pixels: Pixels
    format: str
    grey: bool
    stored: NDArray[np.uint8] | None
    coding: Coding | None
    metadata: Metadata
    orientation: int = 1

    @classmethod
    def decode(
        cls, data: bytes, *, name: str = "image", max_pixels: int | None = None
    ) -> Photograph:
        """Decodes the bytes of a file; of an animation the first frame.

        Args:
            data: The file's content.
            name: What to call it in messages.
            max_pixels: Larger photographs are refused before they are decoded.

        Raises:
            BadImageError: As `images.decode`.
        """
        with images.opened(data, name=name, max_pixels=max_pixels) as image:
            grey = image.mode in _GREY or image.mode.startswith("I")
            return cls(
                pixels=images.upright_rgb(image),
                format=format_of(image),
                grey=grey,
                stored=_stored(image, grey=grey),
                coding=coding_of(image, data),
                metadata=read_metadata(image, grey=grey),
                orientation=orientation_of(image),
            )

    def encode(self, pixels: Pixels, *, save_as: SaveAs = "png") -> bytes:
        """Returns a changed copy as the content of a file, upright and with the metadata.

        What did not change is, in a lossless format, what the original shows, bit for bit. An RGB
        file keeps its colour profile: changed pixels are converted into it. A greyscale photograph
        stays greyscale, a transparent one as transparent as it was; CMYK is written as RGB, and
        more than 8 bits as 8.

        Args:
            pixels: uint8 RGB (H, W, 3) in sRGB, of the size of `self.pixels`.
            save_as: "png", or "original": the format that the file has, JPEG with the same
                quantisation tables, subsampling and progression.

        Raises:
            ImageContractError: If the pixels have another shape or dtype.
            BadImageError: If the original's format cannot be written.
        """
        if check_pixels(pixels).shape != self.pixels.shape:
            raise ImageContractError(
                f"a copy of a photograph has its shape {self.pixels.shape}, not {pixels.shape}"
            )
        image = self._image(pixels)
        if save_as == "png" or self.format == "PNG":
            return encode_png(image, self.metadata)
        if self.coding is None:
            raise BadImageError(f"{self.format} files are read, but not written", hint="save PNG")
        return self._encode_as_original(image, self.coding)

    def _image(self, pixels: Pixels) -> Image.Image:
        """Returns new pixels in the original's colours and with its transparency."""
        if self.stored is None:
            image = Image.fromarray(pixels)
            return image.convert("L") if self.grey else image
        own = self.stored.copy()
        changed = (pixels != self.pixels).any(axis=-1)
        own[changed, :3] = self._in_own_colours(pixels)[changed]
        image = Image.fromarray(own)
        return image.convert("LA" if own.shape[-1] == 4 else "L") if self.grey else image

    def _in_own_colours(self, pixels: Pixels) -> Pixels:
        """Returns pixels in the colour space of the file's profile."""
        converted = colour.from_srgb(Image.fromarray(pixels), self.metadata.icc_profile)
        return pixels if converted is None else np.asarray(converted)

    def _encode_as_original(self, image: Image.Image, coding: Coding) -> bytes:
        options: dict[str, Any] = {**self.metadata.options(), **coding}
        if self.format == "TIFF" and "xmp" in options:
            options["exif"] = _with_xmp(options)
        buffer = io.BytesIO()
        try:
            image.save(buffer, self.format, **options)
        except (OSError, ValueError) as error:
            raise BadImageError(f"it cannot be written as {self.format}: {error}") from error
        return buffer.getvalue()


def _stored(image: Image.Image, *, grey: bool) -> NDArray[np.uint8] | None:
    if image.mode == "F" or image.mode.startswith("I"):  # transparent or not, laid on white
        return None
    mode = "RGBA" if colour.is_transparent(image) else "RGB"
    if mode == "RGB" and (grey or not profile_to_keep(image, grey=grey)):
        return None
    turned = upright(image.convert(mode), image)
    pixels: NDArray[np.uint8] = np.array(turned, dtype=np.uint8)
    if mode == "RGBA" and (pixels[..., 3] == 255).all():
        pixels = np.ascontiguousarray(pixels[..., :3])
        return pixels if profile_to_keep(image, grey=grey) else None
    return pixels


def _with_xmp(options: Mapping[str, Any]) -> Image.Exif:
    """Returns EXIF tags with the XMP packet among them, where TIFF has it."""
    tags = Image.Exif()
    tags.load(options.get("exif", b""))
    tags[700] = options["xmp"]
    return tags
