"""A picture with a colour profile decodes to the pixels of its sRGB twin."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from colour_profiles import PROFILES, gamma, grey_profile, rgb_profile, srgb_curve, twin
from colour_profiles import SRGB as SRGB_PRIMARIES
from demagnify.core import images

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def scene() -> np.ndarray:
    """Returns smooth colours from all over sRGB, (60, 80, 3)."""
    y, x = np.mgrid[0:60, 0:80]
    colours = np.stack([x * 255 / 79, y * 255 / 59, (x + y) * 255 / 138], axis=-1)
    return np.rint(colours).astype(np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_a_wide_picture_decodes_like_its_srgb_twin(name: str, kind: str) -> None:
    primaries, power, profile = PROFILES[name]
    wide = Image.fromarray(twin(scene(), primaries, power))
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    assert np.abs(np.asarray(wide).astype(int) - scene()).mean() > 4
    decoded = images.decode(saved(wide, kind, icc_profile=profile, **options))
    difference = np.abs(decoded.astype(int) - scene())
    assert difference.mean() < (1 if kind != "JPEG" else 2)
    assert np.percentile(difference, 99) <= (
        6 if kind != "JPEG" else 12
    )  # 8 bits of ProPhoto are coarse


@pytest.mark.parametrize("profile", [SRGB, rgb_profile(SRGB_PRIMARIES, srgb_curve())])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_srgb_profile_changes_nothing(profile: bytes, kind: str) -> None:
    image = Image.fromarray(scene())
    plain, tagged = saved(image, kind), saved(image, kind, icc_profile=profile)
    assert np.array_equal(images.decode(plain), images.decode(tagged))


@pytest.mark.parametrize(
    "profile", [b"no profile", SRGB[:200], SRGB[:16] + b"CMYK" + SRGB[20:], bytes(200)]
)
def test_a_damaged_or_wrong_profile_is_ignored(profile: bytes) -> None:
    data = saved(Image.fromarray(scene()), icc_profile=profile)
    assert np.array_equal(images.decode(data), scene())


def test_a_grey_picture_of_gamma_1_decodes_like_its_srgb_twin() -> None:
    grey = np.arange(256, dtype=np.uint8)[None].repeat(8, axis=0)
    expected = np.rint(255 * np.where(grey <= 0, 0, 1.055 * (grey / 255) ** (1 / 2.4) - 0.055))
    data = saved(Image.fromarray(grey), icc_profile=grey_profile(gamma(1.0)))
    decoded = images.decode(data)
    assert np.abs(decoded[:, 4:].astype(int) - expected[:, 4:, None]).max() <= 2


def test_transparency_lies_on_white_after_the_conversion() -> None:
    primaries, power, profile = PROFILES["ProPhoto"]
    wide = Image.fromarray(twin(scene(), primaries, power))
    wide.putalpha(128)
    expected = np.rint(scene() * (128 / 255) + 255 * (127 / 255))
    decoded = images.decode(saved(wide, icc_profile=profile))
    assert np.abs(decoded - expected).mean() < 2


def test_a_palette_picture_is_converted_too() -> None:
    primaries, power, profile = PROFILES["Adobe RGB"]
    plain = Image.fromarray(scene()).quantize(32).convert("RGB")
    wide = Image.fromarray(twin(np.asarray(plain), primaries, power)).quantize(32)
    decoded = images.decode(saved(wide, icc_profile=profile))
    assert np.abs(decoded.astype(int) - np.asarray(plain)).mean() < 2
