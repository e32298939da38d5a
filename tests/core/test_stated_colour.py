"""Colours that files state without a profile: their pictures are those of the sRGB twin."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from colour_profiles import ADOBE, P3, SRGB, twin
from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.data.photographs import Photograph

ROWS, COLUMNS = np.mgrid[0:48, 0:64]
SCENE = np.stack([40 + 2 * COLUMNS, 60 + 2 * ROWS, 90 + ROWS + COLUMNS], -1).astype(np.uint8)
ADOBE_GAMMA = 563 / 256
AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")


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


def boxed(pixels, primaries, transfer):
    """An AVIF file that states its colours in code points, as cameras and encoders do."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "AVIF", quality=100, subsampling="4:4:4")
    data = bytearray(buffer.getvalue())
    place = data.index(b"nclx") + 4
    data[place : place + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


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


@AVIF
@pytest.mark.parametrize("transfer", [13, 2])
def test_code_points_in_avif_are_a_profile(transfer):
    pixels = images.decode(boxed(twin(SCENE, P3, 0.0), 12, transfer)).astype(int)
    assert np.abs(pixels - SCENE).mean() < 2


@AVIF
@pytest.mark.parametrize("points", [(1, 13), (2, 2), (1, 1), (2, 6)])
def test_usual_code_points_in_avif_change_nothing(points):
    pixels = images.decode(boxed(SCENE, *points)).astype(int)
    assert np.abs(pixels - SCENE).max() <= 4


@AVIF
@pytest.mark.parametrize("points", [(9, 16), (9, 18), (2, 16), (77, 13)])
def test_avif_of_high_dynamic_range_is_refused(points):
    with pytest.raises(BadImageError, match="high dynamic range"):
        images.decode(boxed(SCENE, *points))


@AVIF
def test_damaged_boxes_are_read_or_refused_in_one_line():
    whole = boxed(SCENE, 12, 13)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, whole.index(b"mdat"), 60):
        data = bytearray(whole)
        data[place] ^= 1 << rng.integers(8)
        with contextlib.suppress(BadImageError):
            images.decode(bytes(data))


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("mode", ["RGB;16", "RGBA;16", "L;16"])
def test_heic_of_ten_and_twelve_bits_becomes_eight(bits, mode, tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    deep = SCENE.astype(np.uint16) * 257
    opaque = np.full((*SCENE.shape[:2], 1), 65535, np.uint16)
    shown = {"L;16": deep[..., 0], "RGBA;16": np.concatenate([deep, opaque], -1)}.get(mode, deep)
    made = heif.from_bytes(mode, SCENE.shape[1::-1], np.ascontiguousarray(shown).tobytes())
    made.save(tmp_path / "a.heic", quality=-1, chroma=444)
    wanted = SCENE[..., :1] if mode == "L;16" else SCENE
    assert np.abs(images.load(tmp_path / "a.heic").astype(int) - wanted).max() <= 2


@pytest.mark.parametrize(("primaries", "transfer"), [(9, 16), (9, 18), (12, 13)])
def test_colours_of_heic_are_converted_or_refused(primaries, transfer, tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    deep = twin(SCENE, P3, 0.0).astype(np.uint16) * 257
    made = heif.from_bytes("RGB;16", SCENE.shape[1::-1], deep.tobytes())
    points = {"color_primaries": primaries, "transfer_characteristics": transfer}
    made.save(tmp_path / "a.heic", quality=-1, chroma=444, matrix_coefficients=1, **points)
    if transfer == 13:
        assert np.abs(images.load(tmp_path / "a.heic").astype(int) - SCENE).mean() < 2
    else:
        with pytest.raises(BadImageError, match="high dynamic range"):
            images.load(tmp_path / "a.heic")


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
