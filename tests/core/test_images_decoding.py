"""Files of every kind that people have become uint8 RGB, or one clear line."""

import io
import os
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from demagnify.core import images
from demagnify.core.errors import BadImageError

RED, GREEN, BLUE, WHITE = (250, 10, 10), (10, 250, 10), (10, 10, 250), (255, 255, 255)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corners(width=32, height=20):
    """Red, green and blue in three corners; the fourth, below right, is white."""
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    return Image.fromarray(pixels)


def colours(pixels):
    """The pixels in the middle of the four quarters, row by row."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return [tuple(int(v) for v in pixels[y, x]) for y in rows for x in columns]


def noise(seed=0, height=24, width=30):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_come_back_bit_for_bit(kind):
    assert np.array_equal(images.decode(encoded(Image.fromarray(noise()), kind)), noise())


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_keep_their_colours(kind):
    found = colours(images.decode(encoded(corners(), kind, quality=95)))
    assert np.abs(np.array(found) - [RED, GREEN, BLUE, WHITE]).max() < 30


def test_cmyk_becomes_rgb():
    found = colours(images.decode(encoded(corners().convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(np.array(found) - [RED, GREEN, BLUE, WHITE]).max() < 30


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_greyscale_becomes_three_equal_channels(kind):
    pixels = images.decode(encoded(corners().convert("L"), kind))
    assert pixels.shape == (20, 32, 3)
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 1] == pixels[..., 2]).all()


def test_one_bit_becomes_black_and_white():
    pixels = images.decode(encoded(corners().convert("1"), "PNG"))
    assert set(np.unique(pixels)) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGB", (16, 16), "black").convert(mode)
    alpha = np.zeros((16, 16), dtype=np.uint8)
    alpha[:8] = 255
    image.putalpha(Image.fromarray(alpha))
    pixels = images.decode(encoded(image, "PNG"))
    assert (pixels[:8] == 0).all()
    assert (pixels[8:] == 255).all()


def test_a_palette_with_transparency_is_laid_on_white():
    image = corners().quantize(4)
    blue = image.getpixel((2, 18))
    found = colours(images.decode(encoded(image, "PNG", transparency=blue)))
    assert found == [RED, GREEN, WHITE, WHITE]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("highest", [200, 65535])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind, highest):
    deep = np.linspace(0, highest, 256).astype(np.uint16).reshape(16, 16)
    pixels = images.decode(encoded(Image.fromarray(deep), kind))
    assert np.abs(pixels[..., 0] - deep / 257.0).max() <= 0.5


def test_sixteen_bit_colour_is_scaled():
    deep = noise().astype(np.uint16) * 257
    data = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
    assert np.array_equal(images.decode(data), noise())


@pytest.mark.parametrize("highest", [1.0, 255.0, 65535.0])
def test_float_grey_is_scaled_by_what_it_holds(highest):
    deep = np.linspace(0, highest, 256, dtype=np.float32).reshape(16, 16)
    pixels = images.decode(encoded(Image.fromarray(deep), "TIFF"))
    assert np.abs(pixels[..., 0] - deep * (255.0 / highest)).max() <= 0.51


def test_float_grey_with_holes_has_black_ones():
    deep = np.full((16, 16), 0.5, dtype=np.float32)
    deep[0, 0] = np.nan
    pixels = images.decode(encoded(Image.fromarray(deep), "TIFF"))
    assert pixels[0, 0, 0] == 0
    assert pixels[1, 1, 0] == 128


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
        (9, [RED, GREEN, BLUE, WHITE]),
    ],
)
def test_photographs_are_turned_upright_by_their_exif(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = images.decode(encoded(corners(), "PNG", exif=exif))
    assert colours(pixels) == upright
    assert pixels.shape == ((32, 20, 3) if orientation in range(5, 9) else (20, 32, 3))


def test_odd_exif_data_do_not_cost_the_photograph():
    # A rational where a whole number belongs: reading is fine, writing it again would fail.
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", 2)
    tiff += struct.pack("<HHII", 0x0112, 3, 1, 6) + struct.pack("<HHII", 0x0100, 12, 1, 38)
    tiff += struct.pack("<I", 0) + struct.pack("<d", 1.5)
    pixels = images.decode(encoded(corners(), "JPEG", exif=b"Exif\0\0" + tiff))
    assert pixels.shape == (32, 20, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (images.decode(data) == (255, 0, 0)).all()


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(BadImageError, match=r"empty\.jpg: the file is empty"):
        images.load(tmp_path / "empty.jpg")


@pytest.mark.parametrize("data", [b"\0", b"GIF89a", b"<html></html>", b"\xff\xd8\xff", b"RIFF" * 9])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(BadImageError, match=r"not an image|damaged"):
        images.decode(data)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadImageError, match=r"none\.png: there is no such file"):
        images.load(tmp_path / "none.png")


def test_a_folder_is_no_photograph(tmp_path):
    with pytest.raises(BadImageError, match="is a folder, not an image"):
        images.load(tmp_path)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    images.save_png(path, noise())

    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", refused)
    with pytest.raises(BadImageError, match=r"a\.png: cannot be read: Permission denied"):
        images.load(path)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_images_too_small_for_a_face_are_refused(size):
    with pytest.raises(BadImageError, match="too few"):
        images.decode(encoded(Image.new("RGB", size), "PNG"))


def declared_png(width, height):
    """A small file that declares many pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [13_400, 14_000, 50_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    with pytest.raises(BadImageError, match=r"pixels"):
        images.decode(declared_png(side, side))


def test_a_bomb_is_refused_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadImageError, match="pixels"):
            images.decode(declared_png(10_000, 10_000))


def test_the_limit_of_pixels_can_be_set():
    data = encoded(Image.new("RGB", (40, 50)), "PNG")
    assert images.decode(data, max_pixels=2000).shape == (50, 40, 3)
    with pytest.raises(BadImageError, match="40x50 pixels are more than the limit of 1999"):
        images.decode(data, max_pixels=1999)


SEEDS = {
    "jpeg": encoded(Image.fromarray(noise()), "JPEG"),
    "progressive": encoded(Image.fromarray(noise()), "JPEG", progressive=True),
    "png": encoded(Image.fromarray(noise()), "PNG"),
    "palette": encoded(Image.fromarray(noise()).quantize(16), "PNG"),
    "gif": encoded(Image.fromarray(noise()), "GIF"),
    "webp": encoded(Image.fromarray(noise()), "WEBP"),
    "bmp": encoded(Image.fromarray(noise()), "BMP"),
}


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "png", "webp"])
def test_truncated_files_are_refused(kind):
    data = SEEDS[kind]
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9):
        with pytest.raises(BadImageError, match=r"damaged|not an image"):
            images.decode(data[: int(len(data) * share)])


def test_truncated_files_are_refused_where_another_library_lets_pillow_read_them(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as WeasyPrint does
    with pytest.raises(BadImageError, match="damaged"):
        images.decode(SEEDS["jpeg"][: len(SEEDS["jpeg"]) // 2])


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_gives_a_photograph_or_one_line(data):
    content = bytearray(SEEDS[data.draw(st.sampled_from(sorted(SEEDS)))])
    content = content[: data.draw(st.integers(1, len(content)))]
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        content[place] = byte
    said = ""
    try:
        images.check_pixels(images.decode(bytes(content), name="photo"))
    except BadImageError as error:
        said = str(error)
    assert said == "" or said.startswith("photo: ")
    assert "\n" not in said


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line(data):
    with pytest.raises(BadImageError):
        images.decode(data)


@pytest.mark.parametrize("name", ["Zoë 顔.png", os.fsdecode(b"caf\xe9.png")])
def test_any_file_name_will_do(tmp_path, name):
    images.save_png(tmp_path / name, noise())
    assert [path.name for path in images.list_files(tmp_path)] == [name]
    assert np.array_equal(images.load(tmp_path / name), noise())
