"""A photograph with everything that its file carries."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadImageError, ImageContractError
from demagnify.core.images import Pixels, check_pixels
from demagnify.data.photographs.codecs import Coding, coding_of, format_of
from demagnify.data.photographs.metadata import Metadata, read_metadata
from demagnify.data.photographs.png import encode_png

SaveAs = Literal["png", "original"]
"""Lossless PNG, or the format and JPEG tables that the original has."""

_GREY: Final = ("1", "L", "LA", "La", "F")
_TRANSPARENT: Final = ("RGBA", "LA", "PA", "RGBa", "La")


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A decoded photograph that can be written again like the file that it came from.

    Attributes:
        pixels: The photograph as all of demagnify sees it: upright uint8 RGB (H, W, 3),
            transparency laid on white. Not to be changed.
        format: The file's format as Pillow names it, "JPEG".
        grey: Whether the file is greyscale; copies are, too.
        transparency: The file's own uint8 RGBA (H, W, 4), upright; None if nothing is transparent.
        coding: How the file was encoded; None if its format is only read.
        metadata: What the file says beside the pixels.
    """

    pixels: Pixels
    format: str
    grey: bool
    transparency: NDArray[np.uint8] | None
    coding: Coding | None
    metadata: Metadata

    @classmethod
    def decode(
        cls, data: bytes, *, name: str = "image", max_pixels: int = images.MAX_PIXELS
    ) -> Photograph:
        """Decodes the bytes of a file; of an animation the first picture.

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
                transparency=_transparency(image),
                coding=coding_of(image, data),
                metadata=read_metadata(image, grey=grey),
            )

    def encode(self, pixels: Pixels, *, save_as: SaveAs = "png") -> bytes:
        """Returns a changed copy as the content of a file, upright and with the metadata.

        What did not change is, in a lossless format, what the original shows, bit for bit. A
        greyscale photograph stays greyscale, a transparent one as transparent as it was; CMYK is
        written as RGB, and more than 8 bits as 8.

        Args:
            pixels: uint8 RGB (H, W, 3), of the size of `self.pixels`.
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
        if self.transparency is None:
            image = Image.fromarray(pixels)
            return image.convert("L") if self.grey else image
        own = self.transparency.copy()
        changed = (pixels != self.pixels).any(axis=-1)
        own[changed, :3] = pixels[changed]
        image = Image.fromarray(own)
        return image.convert("LA") if self.grey else image

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


def _transparency(image: Image.Image) -> NDArray[np.uint8] | None:
    deep = image.mode == "F" or image.mode.startswith("I")  # transparent or not, laid on white
    if deep or (image.mode not in _TRANSPARENT and "transparency" not in image.info):
        return None
    rgba = images.upright(image.convert("RGBA"), image.getexif())
    pixels: NDArray[np.uint8] = np.array(rgba, dtype=np.uint8)
    return None if (pixels[..., 3] == 255).all() else pixels


def _with_xmp(options: Mapping[str, Any]) -> Image.Exif:
    """Returns EXIF tags with the XMP packet among them, where TIFF has it."""
    tags = Image.Exif()
    tags.load(options.get("exif", b""))
    tags[700] = options["xmp"]
    return tags
