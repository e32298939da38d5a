"""Copies in the format, colours and JPEG tables of their originals."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from demagnify.core import images
from demagnify.core.errors import BadImageError, ImageContractError
from demagnify.data.photographs import Photograph

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"]


def noise(seed=0, height=40, width=56, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height=64, width=96):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8)


def file(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def of_mode(mode, seed=0):
    if mode == "I;16":
        return Image.fromarray(noise(seed)[..., 0].astype(np.uint16) * 257)
    if mode == "LA":
        return Image.fromarray(noise(seed, channels=4)).convert("LA")
    if mode == "RGBA":
        return Image.fromarray(noise(seed, channels=4))
    return Image.fromarray(noise(seed)).convert(mode)


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_copy_in_png_shows_what_the_original_shows(mode, kind):
    if (mode, kind) == ("CMYK", "PNG"):
        pytest.skip("PNG has no CMYK")
    data = file(of_mode(mode), kind)
    photo = Photograph.decode(data)
    assert np.array_equal(photo.pixels, images.decode(data))
    copy = photo.encode(photo.pixels)
    assert opened(copy).format == "PNG"
    assert np.array_equal(images.decode(copy), photo.pixels)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(MODES), st.integers(0, 99), st.integers(0, 30), st.integers(0, 40))
def test_a_changed_box_changes_nothing_outside(mode, seed, y, x):
    photo = Photograph.decode(file(of_mode(mode, seed), "TIFF"))
    changed = photo.pixels.copy()
    changed[y : y + 10, x : x + 16] = 255 - changed[y : y + 10, x : x + 16]
    copy = images.decode(photo.encode(changed))
    outside = np.ones(copy.shape[:2], dtype=bool)
    outside[y : y + 10, x : x + 16] = False
    assert np.array_equal(copy[outside], photo.pixels[outside])
    if mode in ("RGB", "L", "I;16", "CMYK", "P"):
        assert np.array_equal(copy, changed)


@pytest.mark.parametrize(("mode", "kept"), [("LA", "LA"), ("RGBA", "RGBA"), ("P", "RGBA")])
def test_transparency_is_kept_with_the_colours_under_it(mode, kept):
    original = of_mode(mode)
    options = {"transparency": original.getpixel((0, 0))} if mode == "P" else {}
    data = file(original, "PNG", **options)
    photo = Photograph.decode(data)
    copy = opened(photo.encode(photo.pixels))
    assert copy.mode == kept
    assert np.array_equal(np.array(copy), np.array(opened(data).convert(kept)))


def test_a_greyscale_photograph_stays_greyscale():
    photo = Photograph.decode(file(of_mode("L"), "JPEG", quality=80))
    coloured = photo.pixels.copy()
    coloured[..., 0] = 200
    for save_as in ("png", "original"):
        assert opened(photo.encode(coloured, save_as=save_as)).mode == "L"


@pytest.mark.parametrize("quality", [30, 75, 92, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_keeps_tables_subsampling_and_progression(quality, subsampling, progressive):
    image = Image.fromarray(smooth())
    data = file(image, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
    photo = Photograph.decode(data)
    before, after = opened(data), opened(photo.encode(photo.pixels, save_as="original"))
    assert after.quantization == before.quantization
    assert JpegImagePlugin.get_sampling(after) == subsampling
    assert bool(after.info.get("progressive")) == progressive


def test_tables_of_a_camera_are_kept():
    own = [list(range(1, 65)), list(range(64, 0, -1))]
    data = file(Image.fromarray(smooth()), "JPEG", qtables=own)
    photo = Photograph.decode(data)
    again = opened(photo.encode(photo.pixels, save_as="original"))
    assert again.quantization == opened(data).quantization
    difference = np.abs(images.decode(data).astype(int) - np.array(again.convert("RGB")))
    assert difference.mean() < 1.5


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_in_any_colours_is_written(mode):
    photo = Photograph.decode(file(Image.fromarray(smooth()).convert(mode), "JPEG", quality=85))
    copy = images.decode(photo.encode(photo.pixels, save_as="original"))
    assert np.abs(copy.astype(int) - photo.pixels).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_other_formats_are_written_as_they_were(kind, mode):
    options = {"lossless": True} if kind == "WEBP" else {}
    photo = Photograph.decode(file(of_mode(mode), kind, **options))
    copy = photo.encode(photo.pixels, save_as="original")
    assert opened(copy).format == kind
    if kind != "GIF":
        assert np.array_equal(images.decode(copy), photo.pixels)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_tiff_is_compressed_as_before_or_losslessly(compression):
    photo = Photograph.decode(file(Image.fromarray(smooth()), "TIFF", compression=compression))
    copy = photo.encode(photo.pixels, save_as="original")
    assert np.array_equal(images.decode(copy), photo.pixels)
    kept = "tiff_adobe_deflate" if compression == "jpeg" else compression
    assert opened(copy).info["compression"] == kept


def test_webp_is_lossy_or_lossless_as_before():
    for lossless in (True, False):
        data = file(Image.fromarray(smooth()), "WEBP", lossless=lossless, quality=80)
        photo = Photograph.decode(data)
        copy = photo.encode(photo.pixels, save_as="original")
        assert (b"VP8L" in copy) is lossless


def test_phone_pictures_become_plain_jpeg():
    other = Image.fromarray(noise())
    data = file(Image.fromarray(smooth()), "MPO", save_all=True, append_images=[other])
    photo = Photograph.decode(data)
    assert photo.format == "JPEG"
    assert opened(photo.encode(photo.pixels, save_as="original")).format == "JPEG"


def test_a_format_that_is_only_read_is_refused_with_a_way_out():
    photo = Photograph.decode(file(Image.fromarray(smooth()), "PPM"))
    assert images.decode(photo.encode(photo.pixels)).shape == photo.pixels.shape
    with pytest.raises(BadImageError, match="save PNG"):
        photo.encode(photo.pixels, save_as="original")


def test_pixels_of_another_shape_are_refused():
    photo = Photograph.decode(file(Image.fromarray(smooth()), "PNG"))
    with pytest.raises(ImageContractError, match="has its shape"):
        photo.encode(noise())


def test_damaged_files_are_refused_as_everywhere():
    with pytest.raises(BadImageError, match="empty"):
        Photograph.decode(b"", name="a.jpg")
    with pytest.raises(BadImageError, match="known format"):
        Photograph.decode(b"no photograph")
