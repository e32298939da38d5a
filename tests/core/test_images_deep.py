"""Images with more than 8 bits, and the limit of pixels."""

import io
import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image

from demagnify.core import deep_images, images, tiff_strips
from demagnify.core.deep_images import deep_grey
from demagnify.core.errors import BadImageError
from demagnify.data.photographs import Photograph


def float_tiff(colours):
    return cv2.imencode(".tiff", colours[..., ::-1])[1].tobytes()


RAMP = np.linspace(0, 1, 16 * 24 * 3, dtype=np.float32).reshape(16, 24, 3)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_colours_as_floats_are_scaled_to_8_bits(white, kind):
    pixels = images.decode(float_tiff((RAMP * white).astype(kind)))
    assert np.abs(pixels - RAMP * 255).max() <= 0.51


def test_float_colours_may_be_transparent_and_hold_nan():
    colours = np.concatenate([RAMP, np.full((16, 24, 1), 0.0, np.float32)], axis=2)
    data = cv2.imencode(".tiff", colours)[1].tobytes()
    assert (images.decode(data) == 255).all()
    odd = RAMP.copy()
    odd[0, 0] = np.nan
    assert images.decode(float_tiff(odd))[0, 0].tolist() == [0, 0, 0]


def test_a_float_photograph_is_read_with_its_size_checked_first():
    data = float_tiff(RAMP)
    assert Photograph.decode(data).pixels.shape == (16, 24, 3)
    with pytest.raises(BadImageError, match="24x16 pixels are more than the limit of 100"):
        images.decode(data, max_pixels=100)
    with pytest.raises(BadImageError, match=r"damaged|known format"):
        images.decode(data[: len(data) // 2])


def test_16_bits_become_8_as_by_division():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    pixels = images.decode(buffer.getvalue())
    assert (pixels == np.rint(deep / 257)[..., None]).all()


def test_a_deep_grey_photograph_takes_few_bytes_a_pixel():
    deep = Image.fromarray(np.zeros((2000, 1500), dtype=np.uint16))
    tracemalloc.start()
    deep_grey(deep)
    pixels = images.upright_rgb(deep)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels.shape == (2000, 1500, 3)
    assert most <= 12 * 2000 * 1500


@pytest.fixture
def _limit():
    yield
    images.limit_pixels(images.MAX_PIXELS)


@pytest.mark.usefixtures("_limit")
def test_the_limit_is_pillows_own_and_can_be_lowered_for_all():
    assert images.pixel_limit() == 2 * Image.MAX_IMAGE_PIXELS >= 108_000_000
    images.limit_pixels(10**12)
    assert images.pixel_limit() == images.MAX_PIXELS
    images.limit_pixels(100)
    with pytest.raises(BadImageError, match=r"limit of 100 .*--max-pixels"):
        images.decode(float_tiff(RAMP))


def test_float_colours_take_few_bytes_a_pixel(monkeypatch):
    monkeypatch.setattr(deep_images, "_STRIPE", 2**16)
    colours = np.linspace(0, 1, 1500 * 3, dtype=np.float32).reshape(1, 1500, 3).repeat(2000, 0)
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, 8, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 16]
    data = cv2.imencode(".tiff", colours, settings)[1].tobytes()
    del colours
    tracemalloc.start()
    assert images.decode(data).shape == (2000, 1500, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 9 * 2000 * 1500  # the floats alone are 12


def deep_tiff(values, **tags):
    known = {256: (24,), 257: (16,), 258: (8 * values.itemsize,), 259: (1,), 262: (1,), 277: (1,)}
    known |= {273: (), 278: (16,), 339: (1,)} | {int(name[1:]): one for name, one in tags.items()}
    return tiff_strips._file("<", known, [values.tobytes()])


@pytest.mark.parametrize("kind", ["u1", "<u2"])
def test_grey_whose_white_is_zero_is_no_negative(kind):
    white = 255 if kind == "u1" else 65535
    grey = np.linspace(0, white, 16 * 24).reshape(16, 24).astype(kind)
    plain = images.decode(deep_tiff(grey))
    turned = images.decode(deep_tiff((white - grey).astype(kind), t262=(0,)))
    assert np.abs(plain.astype(int) - turned).max() <= 1
    assert plain[0, 0, 0] == 0
    assert plain[-1, -1, 0] == 255


def test_grey_with_a_sign_is_refused():
    grey = np.linspace(0, 32767, 16 * 24).reshape(16, 24).astype("<i2")
    with pytest.raises(BadImageError, match="its values have a sign"):
        images.decode(deep_tiff(grey, t339=(2,)))


@pytest.mark.parametrize("tag", [{"t254": (1,)}, {"t50706": (0x01040000,)}])
def test_the_preview_of_a_camera_file_is_not_taken_for_the_photograph(tag):
    grey = np.zeros((16, 24), "u1")
    assert images.decode(deep_tiff(grey, t254=(2,))).shape == (16, 24, 3)
    with pytest.raises(BadImageError, match="it begins with a preview"):
        images.decode(deep_tiff(grey, **tag))
