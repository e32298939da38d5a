"""Animations and four colours: the first picture as viewers show it, or a refusal."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.data.photographs import Photograph

CANVAS = (40, 32)
SIDE, LEFT, TOP = 16, 8, 6
RED, GREEN, WHITE = (200, 40, 60), (10, 200, 10), (255, 255, 255)


def gif(*, transparent=None, grey=False, colour=1):
    """A GIF whose first picture is smaller than its canvas; colour 0 of the palette is green."""
    frame = Image.new("L" if grey else "P", (SIDE, SIDE), 120 if grey else colour)
    if not grey:
        frame.putpalette([*GREEN, *RED])
    buffer = io.BytesIO()
    frame.save(buffer, "GIF", optimize=False)
    data = buffer.getvalue()
    colours = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    start = data.index(b"," + bytes(4))
    head = b"GIF89a" + struct.pack("<HH", *CANVAS) + data[10:colours]
    control = b"" if transparent is None else bytes((0x21, 0xF9, 4, 1, 0, 0, transparent, 0))
    return head + control + b"," + struct.pack("<HH", LEFT, TOP) + data[start + 5 :]


def webp(*, colour=RED, states_alpha=False, frames=2):
    """An animated WebP whose first picture is smaller than its canvas."""
    buffer = io.BytesIO()
    Image.new("RGBA" if len(colour) == 4 else "RGB", (SIDE, SIDE), colour).save(
        buffer, "WEBP", lossless=True
    )
    picture = buffer.getvalue()[12:]

    def number(value):
        return struct.pack("<I", value)[:3]

    def part(name, content):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    numbers = (LEFT // 2, TOP // 2, SIDE - 1, SIDE - 1, 100)
    frame = part(b"ANMF", b"".join(map(number, numbers)) + b"\0" + picture)
    flags = bytes((0x02 | (0x10 if states_alpha else 0), 0, 0, 0))
    head = part(b"VP8X", flags + number(CANVAS[0] - 1) + number(CANVAS[1] - 1))
    content = b"WEBP" + head + part(b"ANIM", bytes((9, 90, 200, 255, 0, 0))) + frame * frames
    return b"RIFF" + struct.pack("<I", len(content)) + content


def apng(*, still_is_first, first=(*CANVAS, 0, 0)):
    """A red still picture, and an animation that begins with it, or is all green."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    def pixels(width, height, colour):
        return zlib.compress((b"\0" + bytes(colour) * width) * height)

    def control(number, place):
        return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *place, 1, 10, 0, 0))

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", *CANVAS, 8, 2, 0, 0, 0))]
    parts += [chunk(b"acTL", struct.pack(">II", 2 if still_is_first else 1, 0))]
    parts += [control(0, first)] if still_is_first else []
    parts += [chunk(b"IDAT", pixels(*first[:2], RED))]
    number = 1 if still_is_first else 0
    parts += [control(number, (SIDE, SIDE, LEFT, TOP))]
    parts += [chunk(b"fdAT", struct.pack(">I", number + 1) + pixels(SIDE, SIDE, GREEN))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def on_white(colour=RED):
    expected = np.full((CANVAS[1], CANVAS[0], 3), 255, dtype=np.uint8)
    expected[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = colour
    return expected


@pytest.mark.parametrize("transparent", [None, 0, 7])
def test_what_the_first_picture_of_a_gif_leaves_free_is_white(transparent):
    assert np.array_equal(images.decode(gif(transparent=transparent)), on_white())


def test_a_grey_gif_stays_grey_and_a_transparent_one_is_white():
    data = gif(grey=True)
    assert np.array_equal(images.decode(data), on_white((120, 120, 120)))
    assert Photograph.decode(data).grey
    assert (images.decode(gif(transparent=1)) == 255).all()


def test_a_copy_of_such_a_gif_is_as_transparent_as_it_is():
    photo = Photograph.decode(gif())
    copy = Image.open(io.BytesIO(photo.encode(photo.pixels)))
    assert copy.mode == "RGBA"
    assert copy.getpixel((0, 0))[3] == 0
    assert copy.getpixel((LEFT, TOP)) == (*RED, 255)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("states_alpha", [False, True])
def test_what_the_first_picture_of_a_webp_leaves_free_is_white(states_alpha, frames):
    data = webp(states_alpha=states_alpha, frames=frames)
    assert np.array_equal(images.decode(data), on_white())


def test_a_webp_that_does_not_state_its_transparency_is_as_transparent():
    colour = (*RED, 128)
    stated = images.decode(webp(colour=colour, states_alpha=True))
    assert np.array_equal(images.decode(webp(colour=colour)), stated)
    assert (stated[TOP, LEFT] > RED).all()


def test_a_png_whose_animation_begins_with_its_still_picture_is_that_picture():
    assert (images.decode(apng(still_is_first=True)) == RED).all()


def test_a_png_whose_still_picture_is_another_than_its_animation_is_refused():
    with pytest.raises(BadImageError, match=r"image: it shows one picture as a still and another"):
        images.decode(apng(still_is_first=False))


def test_a_png_whose_first_picture_is_smaller_than_allowed_is_refused():
    with pytest.raises(BadImageError, match="does not cover it"):
        images.decode(apng(still_is_first=True, first=(SIDE, SIDE, LEFT, TOP)))


def four_colours(transform):
    """A JPEG of four colours whose Adobe marker says `transform`, or that has none."""
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (10, 200, 180, 20)).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    marker = b"" if transform is None else data[start : end - 1] + bytes([transform])
    return data[:start] + marker + data[end:]


@pytest.mark.parametrize("transform", [None, 1])
def test_a_jpeg_of_four_colours_that_does_not_say_which_is_refused(transform):
    with pytest.raises(BadImageError, match="its four colours have no Adobe marker"):
        images.decode(four_colours(transform))


def test_a_jpeg_of_four_colours_with_its_marker_is_read():
    expected = Image.new("CMYK", (1, 1), (10, 200, 180, 20)).convert("RGB").getpixel((0, 0))
    assert np.abs(images.decode(four_colours(0))[8, 8].astype(int) - expected).max() <= 3
    assert images.decode(four_colours(2)).shape == (16, 16, 3)
