"""Colours: decoded images become sRGB once, where files are decoded, and opaque on white.

Relative colorimetric with black point compensation: colours inside sRGB keep their values, so a
picture equals its sRGB twin; perceptual would move them where a profile has tables for it.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from demagnify.core.deep_images import deep_grey

_INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS: Final = ImageCms.Flags.BLACKPOINTCOMPENSATION
_SPACES: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_TOLERANCE: Final = 2
"""Levels; the profiles of sRGB that are in use differ by less in their rounding."""
_STEPS: Final = 17
_TRANSPARENT: Final = ("RGBA", "LA", "PA", "RGBa", "La")

_Transform = ImageCms.ImageCmsTransform


def is_transparent(image: Image.Image) -> bool:
    """Whether a decoded image has transparency."""
    return image.mode in _TRANSPARENT or "transparency" in image.info


def shown(image: Image.Image) -> Image.Image:
    """Returns a decoded image in sRGB, with white behind what is transparent.

    Its mode is RGB, but L for more than 8 bits of grey without a profile, to save memory.
    """
    profile = image.info.get("icc_profile") or b""
    if image.mode.startswith("I") or image.mode == "F":
        return _clear(image, to_srgb(deep_grey(image), profile))
    if is_transparent(image):
        rgba = image.convert("RGBA")
        opaque = _rgb(rgba.convert("RGB"), profile)
        opaque.putalpha(rgba.getchannel("A"))
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, opaque).convert("RGB")
    plain = image.mode in ("RGB", "L", "CMYK")  # without a copy
    return _rgb(image if plain else image.convert("RGB"), profile)


def _clear(deep: Image.Image, grey: Image.Image) -> Image.Image:
    """Returns deep grey as it is shown, with white where it has the value that is transparent."""
    value = deep.info.get("transparency")
    if isinstance(value, int):
        clear = Image.fromarray(np.asarray(deep) == value)
        grey.paste((255,) * len(grey.getbands()), mask=clear)
    return grey


def _rgb(image: Image.Image, profile: bytes) -> Image.Image:
    return to_srgb(image, profile).convert("RGB")


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Returns an image of mode RGB, L or CMYK in sRGB: RGB, or the image itself.

    The image is returned unchanged if its profile is sRGB, is damaged, or is for other colours.

    Args:
        image: The decoded image.
        profile: Its ICC profile; empty if the file has none.
    """
    transform = _transform(profile, image.mode)
    return image if transform is None else transform.apply(image)


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Returns an sRGB image of mode RGB in the colours of a profile.

    None where the profile is sRGB itself, or converts in one direction only.
    """
    back = _back(profile) if changes(profile, "RGB") else None
    return None if back is None else back.apply(image)


def changes(profile: bytes, mode: str) -> bool:
    """Whether `to_srgb` changes images of this mode with this profile."""
    return _transform(profile, mode) is not None


def invertible(profile: bytes) -> bool:
    """Whether `from_srgb` can convert into the colours of this profile."""
    return _back(profile) is not None


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> _Transform | None:
    if not profile or _SPACES.get(profile[16:20].decode("latin-1")) != mode:
        return None
    exact = ImageCms.Flags.NOOPTIMIZE if mode == "L" else 0  # the fast way is off in dark greys
    try:
        transform = ImageCms.buildTransform(
            _opened(profile), ImageCms.createProfile("sRGB"), mode, "RGB", _INTENT, _FLAGS | exact
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return transform
    samples = _samples(mode)
    before = np.asarray(samples.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(samples), dtype=np.int16)
    return None if np.abs(after - before).max() <= _TOLERANCE else transform


@lru_cache(maxsize=64)
def _back(profile: bytes) -> _Transform | None:
    try:
        return ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), _opened(profile), "RGB", "RGB", _INTENT, _FLAGS
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def _samples(mode: str) -> Image.Image:
    """Returns all greys, or colours from all over the cube."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, _STEPS).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return Image.fromarray(np.ascontiguousarray(cube.reshape(_STEPS, -1, 3)))
