"""Images that a decoder reads, but wrongly: they are read rightly, or refused."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from demagnify.core import images, jpeg2000
from demagnify.core.errors import BadImageError

RAMP = np.tile(np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None], (1, 1, 3))
RAMP[..., 1] = RAMP[::-1, :, 1]


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def lossless_jpeg2000(pixels):
    pixels = np.repeat(np.repeat(pixels, 8, axis=0), 8, axis=1)
    way = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    return cv2.imencode(".jp2", pixels, way)[1].tobytes()


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def grey_png(values, *chunks):
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_bright_colours_of_a_16_bit_jpeg_2000_do_not_become_black():
    data = lossless_jpeg2000(RAMP[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(images.decode(data)[::8, ::8], RAMP)
    with pytest.raises(BadImageError, match="limit of 100"):
        images.decode(data, max_pixels=100)
    with pytest.raises(BadImageError, match="damaged"):
        images.decode(data[:300])


@pytest.mark.parametrize("channels", [slice(0, 1), slice(0, 3)])
def test_8_bit_and_grey_jpeg_2000_are_left_to_pillow(channels):
    pixels = RAMP[..., channels]
    assert jpeg2000.deep_size(lossless_jpeg2000(pixels)) is None
    assert images.decode(lossless_jpeg2000(pixels)).shape == (128, 128, 3)


def test_a_colour_profile_in_a_jpeg_2000_counts():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(Image.fromarray(RAMP), "JPEG2000")
    old = data.index(b"colr") - 4
    length = int.from_bytes(data[old : old + 4], "big")
    inside = b"colr\2\0\0" + profile
    grown = len(inside) + 4 - length
    head = data.index(b"jp2h") - 4
    size = int.from_bytes(data[head : head + 4], "big") + grown
    new = (
        data[:head]
        + size.to_bytes(4, "big")
        + data[head + 4 : old]
        + (len(inside) + 4).to_bytes(4, "big")
        + inside
        + data[old + length :]
    )
    assert jpeg2000.profile(new) == profile
    assert jpeg2000.profile(data) == b""
    with images.opened(new) as image:
        assert image.info["icc_profile"] == profile


def test_a_transparent_value_of_16_bit_grey_is_laid_on_white():
    values = np.tile(np.arange(16, dtype=np.uint16) * 4369, (16, 1))
    seen = images.decode(grey_png(values))
    cleared = images.decode(grey_png(values, (b"tRNS", struct.pack(">H", 0))))
    assert (seen[:, 0] == 0).all()
    assert (cleared[:, 0] == 255).all()
    assert np.array_equal(seen[:, 1:], cleared[:, 1:])


def test_every_flipped_byte_of_a_png_is_noticed():
    data = encoded(Image.fromarray(RAMP), "PNG")
    for place in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(BadImageError):
            images.decode(bytes(damaged))
    for end in range(8, len(data), 3):
        with pytest.raises(BadImageError):
            images.decode(data[:end])
    assert np.array_equal(images.decode(data + b"more"), RAMP)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize(
    "ends", [(-1, 1), (0, 4000), (0, 1e9), (-100, 155), (0, float("inf")), (0, 4)]
)
def test_values_without_a_known_white_are_refused(kind, ends):
    if kind is np.int32 and ends[1] in (float("inf"), 4, 4000):
        pytest.skip("whole numbers up to 65535 are 8 or 16 bits")
    values = np.zeros((16, 16), dtype=kind)
    values[0], values[1] = ends
    with pytest.raises(BadImageError, match="white is not known"):
        images.decode(encoded(Image.fromarray(values), "TIFF"))
    if kind is np.float32:
        colours = cv2.imencode(".tiff", np.dstack([values] * 3))[1].tobytes()
        with pytest.raises(BadImageError, match="white is not known"):
            images.decode(colours)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_overshoot_of_float_images_is_clipped(white):
    values = np.linspace(-0.05 * white, 1.05 * white, 256, dtype=np.float32).reshape(16, 16)
    pixels = images.decode(encoded(Image.fromarray(values), "TIFF"))[..., 0]
    assert np.abs(pixels - np.clip(values / white, 0, 1) * 255).max() <= 0.51


def test_formats_that_run_programs_are_not_opened():
    with pytest.raises(BadImageError, match="known format"):
        images.decode(encoded(Image.fromarray(RAMP), "EPS"))


@pytest.mark.skipif("AVIF" not in images.readable_formats(), reason="Pillow reads no AVIF")
def test_a_damaged_avif_is_not_said_to_need_an_extra():
    data = encoded(Image.fromarray(RAMP), "AVIF")
    with pytest.raises(BadImageError) as caught:
        images.decode(data[:200])
    assert "extra" not in str(caught.value)
