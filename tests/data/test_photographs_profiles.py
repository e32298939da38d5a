"""Changed copies of photographs keep their colour profile, and show the right colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from colour_profiles import PROFILES, gamma, grey_profile, twin
from demagnify.core import images
from demagnify.data.photographs import Photograph


def scene() -> np.ndarray:
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], axis=-1).astype(np.uint8)


def wide(name: str, kind: str = "PNG", *, alpha: int | None = None, **options: object) -> bytes:
    primaries, power, profile = PROFILES[name]
    image = Image.fromarray(twin(scene(), primaries, power))
    if alpha is not None:
        image.putalpha(alpha)
    buffer = io.BytesIO()
    image.save(buffer, kind, icc_profile=profile, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("alpha", [None, 255, 200])
def test_unchanged_pixels_stay_bit_for_bit_and_the_profile_is_kept(name, alpha):
    data = wide(name, alpha=alpha)
    photo = Photograph.decode(data)
    copy = photo.encode(photo.pixels)
    before, after = opened(data), opened(copy)
    assert after.info["icc_profile"] == PROFILES[name][2]
    assert np.array_equal(np.asarray(before.convert("RGBA")), np.asarray(after.convert("RGBA")))


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("kind", "save_as"), [("PNG", "png"), ("TIFF", "original")])
def test_changed_pixels_are_read_back_as_they_were_written(name, kind, save_as):
    photo = Photograph.decode(wide(name, kind))
    changed = photo.pixels.copy()
    changed[8:24, 8:40] = np.clip(changed[8:24, 8:40].astype(int) + 20, 0, 255)
    copy = images.decode(photo.encode(changed, save_as=save_as))
    difference = np.abs(copy.astype(int) - changed)
    assert difference.max() <= 4
    assert np.array_equal(copy[24:], photo.pixels[24:])


def test_an_attacked_jpeg_keeps_its_profile_and_its_colours():
    photo = Photograph.decode(wide("Display P3", "JPEG", quality=95))
    changed = photo.pixels.copy()
    changed[8:40, 8:40] = 128
    copy = photo.encode(changed, save_as="original")
    assert opened(copy).info["icc_profile"] == PROFILES["Display P3"][2]
    assert np.abs(images.decode(copy)[16:32, 16:32].astype(int) - 128).max() <= 3


def test_a_copy_that_is_srgb_has_no_profile_of_another_space():
    buffer = io.BytesIO()
    grey = Image.fromarray(scene()).convert("L")
    grey.save(buffer, "PNG", icc_profile=grey_profile(gamma(1.0)))
    photo = Photograph.decode(buffer.getvalue())
    copy = photo.encode(photo.pixels)
    assert "icc_profile" not in opened(copy).info
    assert np.array_equal(images.decode(copy), photo.pixels)


def test_an_srgb_profile_is_kept_as_it_is():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG", icc_profile=srgb)
    photo = Photograph.decode(buffer.getvalue())
    assert np.array_equal(photo.pixels, scene())
    assert opened(photo.encode(photo.pixels)).info["icc_profile"] == srgb
