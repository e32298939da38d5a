"""Which picture of a file is the photograph, and whether Pillow reads it as it is meant.

Of an animation it is the first picture, on its canvas: where the picture leaves the canvas free,
or is transparent, viewers show what is behind, which is white here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImagePalette

Box = tuple[int, int, int, int]

_KIND, _OLD_KIND, _DNG = 254, 255, 50706
_REDUCED: Final = 2
_BITS, _PLANES, _COLOURS, _FORMAT = 258, 284, 320, 339
_SEPARATE: Final = 2
_SIGNED: Final = 2
_BYTE: Final = 8
_CMYK, _YCCK = 0, 2
"""What Adobe's marker says of four colours."""
_WEBP_FLAGS: Final = 20
_ANIMATED, _ALPHA = 0x02, 0x10


class UnclearError(OSError):
    """A file that can be decoded, but perhaps not into what is meant."""


def with_alpha(data: bytes) -> bytes:
    """Returns an animated WebP file that states transparency, and all other files as they are.

    Without, Pillow makes black what is transparent or free.
    """
    animated = data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > _WEBP_FLAGS
    if not animated or not data[_WEBP_FLAGS] & _ANIMATED or data[_WEBP_FLAGS] & _ALPHA:
        return data
    changed = bytearray(data)
    changed[_WEBP_FLAGS] |= _ALPHA
    return bytes(changed)


def check_first(image: Image.Image) -> Image.Image:
    """Returns an image that Pillow opened, unless it would read something else than is meant.

    Raises:
        UnclearError: If it is the preview at the start of a TIFF or camera file, since the
            photograph is another image of the file; a TIFF of a kind that Pillow gets wrong; a PNG
            whose animation does not begin with its still picture; or a JPEG of four colours that
            does not say which.
    """
    if image.format == "PNG":
        _check_animation(image)
    if image.format in ("JPEG", "MPO") and image.mode == "CMYK":
        _check_inks(image)
    _check_tiff(image, getattr(image, "tag_v2", {}))
    return image


def _check_animation(image: Image.Image) -> None:
    if getattr(image, "default_image", False):
        raise UnclearError(
            "it shows one picture as a still and another as an animation; save the one that counts"
        )
    box = _box(image)
    if box is not None and box != (0, 0, *image.size):
        raise UnclearError("the first picture of its animation does not cover it")


def _check_inks(image: Image.Image) -> None:
    if image.info.get("adobe_transform") not in (_CMYK, _YCCK):
        raise UnclearError(
            "its four colours have no Adobe marker, so that ink and paper could be exchanged; "
            "save it as RGB"
        )


def _check_tiff(image: Image.Image, tags: Mapping[int, Any]) -> None:
    kind = tags.get(_KIND, 0)
    reduced = (isinstance(kind, int) and kind & 1) or tags.get(_OLD_KIND) == _REDUCED
    if _DNG in tags or reduced:
        raise UnclearError(
            "it begins with a preview, as camera files (DNG, NEF) do; develop it to JPEG or TIFF"
        )
    if _SIGNED in np.ravel(tags.get(_FORMAT, ())):
        raise UnclearError("its values have a sign, and which of them is white is not known")
    deep = max(np.ravel(tags.get(_BITS, (1,)))) > _BYTE
    tile = getattr(image, "tile", ())
    if deep and tags.get(_PLANES) == _SEPARATE and tile and tile[0][0] == "raw":
        raise UnclearError("deep colours in separate planes cannot be read; save them interleaved")
    colours = tags.get(_COLOURS, ())
    if image.palette and colours and max(colours) < 2**_BYTE:  # as old programs wrote them
        levels = np.reshape(colours, (3, -1)).T.astype(np.uint8).tobytes()
        image.palette = ImagePalette.raw("RGB", levels)


def free_canvas(image: Image.Image) -> Box | None:
    """Returns the box of a GIF's first picture where it is smaller than its canvas; else None.

    To be asked before the image is loaded.
    """
    box = _box(image) if image.format == "GIF" else None
    return None if box == (0, 0, *image.size) else box


def on_canvas(image: Image.Image, box: Box | None) -> Image.Image:
    """Returns a loaded image with a transparent canvas around `box`; itself if that is None.

    Pillow fills the canvas with a colour of the palette that nobody chose.
    """
    if box is None:
        return image
    mode = "LA" if image.mode == "L" else "RGBA"
    canvas = Image.new(mode, image.size)
    canvas.paste(image.crop(box).convert(mode), box)
    canvas.format = image.format
    canvas.info = {key: one for key, one in image.info.items() if key != "transparency"}
    return canvas


def _box(image: Image.Image) -> Box | None:
    """Returns where the picture lies that Pillow is about to decode; None if it says nothing."""
    tile = getattr(image, "tile", ())
    return tuple(tile[0][1]) if tile and tile[0][1] is not None else None
