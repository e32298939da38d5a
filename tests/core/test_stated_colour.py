"""Colours that files state without a profile: their pictures are those of the sRGB twin."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from colour_profiles import ADOBE, P3, SRGB, twin
from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.data.photographs import Photograph

ROWS, COLUMNS = np.mgrid[0:48, 0:64]
SCENE = np.stack([40 + 2 * COLUMNS, 60 + 2 * ROWS, 90 + ROWS + COLUMNS], -1).astype(np.uint8)
ADOBE_GAMMA = 563 / 256


def png(pixels, *chunks):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    place = data.index(b"IDAT") - 4
    made = b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return data[:place] + made + data[place:]


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100000))


def chrm(primaries):
    *others, white = primaries
    numbers = [round(one * 100000) for point in (white, *others) for one in point]
    return b"cHRM", struct.pack(">8I", *numbers)


def jpeg(pixels, index="", space=0):
    buffer, exif = io.BytesIO(), Image.Exif()
    if space:
        exif.get_ifd(0x8769)[0xA001] = space
    if index:
        exif.get_ifd(0x8769)[0xA005] = {1: index}
    settings = {"exif": exif.tobytes()} if index or space else {}
    Image.fromarray(pixels).save(buffer, "JPEG", quality=100, subsampling=0, **settings)
    return buffer.getvalue()


STATED = {
    "linear": png(twin(SCENE, SRGB, 1.0), gama(1.0)),
    "old Macs": png(twin(SCENE, SRGB, 1.8), gama(1 / 1.8)),
    "Adobe RGB": png(twin(SCENE, ADOBE, ADOBE_GAMMA), gama(1 / ADOBE_GAMMA), chrm(ADOBE)),
    "primaries alone": png(twin(SCENE, P3, 0.0), chrm(P3)),
    "coding points": png(twin(SCENE, P3, 0.0), (b"cICP", bytes([12, 13, 0, 1])), gama(1.0)),
    "DCF": jpeg(twin(SCENE, ADOBE, ADOBE_GAMMA), "R03"),
    "colour space": jpeg(twin(SCENE, ADOBE, ADOBE_GAMMA), space=2),
}


@pytest.mark.parametrize("name", STATED)
def test_stated_colours_become_srgb(name):
    pixels = images.decode(STATED[name]).astype(int)
    assert np.abs(pixels - SCENE).max() <= 8
    assert np.abs(pixels - SCENE).mean() < (2 if name == "Adobe RGB" else 1)


@pytest.mark.parametrize(
    "chunks",
    [
        *([gama(0.45455)], [gama(0.45455), chrm(SRGB)], [(b"sRGB", b"\0"), gama(1.0), chrm(P3)]),
        *([chrm(((0, 0),) * 4)], [(b"cICP", bytes([1, 13, 0, 1]))], [gama(0)]),
    ],
)
def test_what_is_srgb_or_nothing_stays_bit_for_bit(chunks):
    assert (images.decode(png(SCENE, *chunks)) == SCENE).all()


def test_a_plain_photograph_stays_what_it_was():
    plain = images.decode(jpeg(SCENE))
    assert (images.decode(jpeg(SCENE, "R98", 1)) == plain).all()
    assert (images.decode(jpeg(SCENE, space=0xFFFF)) == plain).all()


@pytest.mark.parametrize("transfer", [16, 18, 200])
def test_high_dynamic_range_is_refused(transfer):
    with pytest.raises(BadImageError, match="high dynamic range"):
        images.decode(png(SCENE, (b"cICP", bytes([9, transfer, 0, 1]))))


def test_grey_has_a_gamma_too():
    grey = SCENE[..., 0]
    linear = twin(np.repeat(grey[..., None], 3, -1), SRGB, 1.0)[..., 0]
    assert np.abs(images.decode(png(linear, gama(1.0))).astype(int) - grey[..., None]).max() <= 8


def test_a_changed_copy_shows_the_same_colours():
    photo = Photograph.decode(STATED["DCF"])
    copy = Photograph.decode(photo.encode(np.ascontiguousarray(photo.pixels[:, ::-1])))
    assert np.abs(copy.pixels[:, ::-1].astype(int) - SCENE).mean() < 3
