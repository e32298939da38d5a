"""Pictures of unusual depths and layouts, made byte by byte: their pixels are known."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadImageError

ROWS, COLUMNS = np.mgrid[0:12, 0:16]
GREY = (10 * COLUMNS + 5 * ROWS).astype(np.uint8)


def png(bits, values, transparent):
    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    texts = ("".join(f"{one:0{bits}b}" for one in row) for row in values)
    lines = b"".join(b"\0" + int(text, 2).to_bytes(len(text) // 8, "big") for text in texts)
    head = struct.pack(">IIBBBBB", *values.shape[::-1], bits, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", struct.pack(">H", transparent))]
    parts += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(pixels, **tags):
    """An uncompressed TIFF of one strip, little-endian, with the usual tags and others."""
    height, width = pixels.shape[-2:] if tags.get("planes") == 2 else pixels.shape[:2]
    samples = pixels.size // (height * width)
    bits = tags.pop("bits", 8 * pixels.itemsize)
    content = pixels.tobytes()
    if bits == 12:
        flat = pixels.reshape(height, width // 2, 2).astype(np.uint32)
        both = (flat[..., 0] << 12 | flat[..., 1]).astype(">u4")
        content = both.view(np.uint8).reshape(height, -1, 4)[..., 1:].tobytes()
    planes = tags.get("planes", 1) == 2
    size = len(content) // (samples if planes else 1)
    entries = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * samples), 259: (3, [1])}
    entries |= {262: (3, [tags.pop("colours", 2 if samples > 2 else 1)]), 277: (3, [samples])}
    starts = [8 + size * place for place in range(samples if planes else 1)]
    entries |= {273: (4, starts), 278: (4, [height]), 279: (4, [size] * len(starts))}
    names = {"planes": (284, 3), "sign": (339, 3), "kind": (254, 4), "old_kind": (255, 3)}
    names |= {"map": (320, 3)}
    entries |= {names[key][0]: (names[key][1], np.ravel(one)) for key, one in tags.items()}
    place = 8 + len(content)
    table, extra = struct.pack("<H", len(entries)), b""
    after = place + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{'HI'[kind - 3]}", *map(int, values))
        if len(packed) > 4:
            where = struct.pack("<I", after + len(extra))
            extra += packed
        else:
            where = packed.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, len(values)) + where
    return b"II*\0" + struct.pack("<I", place) + content + table + b"\0\0\0\0" + extra


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("transparent", [0, 1])
def test_the_transparent_grey_of_few_bits_is_laid_on_white(bits, transparent):
    values = (ROWS + COLUMNS) % 2**bits
    shown = np.round(values * 255 / (2**bits - 1))
    found = images.decode(png(bits, values, transparent))[..., 0]
    assert (found == np.where(values == transparent, 255, shown)).all()


def test_tiff_as_made_here_is_read():
    assert (images.decode(tiff(GREY))[..., 0] == GREY).all()
    rgb = np.stack([GREY, 255 - GREY, GREY // 2], -1)
    assert (images.decode(tiff(rgb)) == rgb).all()


def test_grey_of_12_bits_is_not_almost_black():
    values = GREY.astype(np.uint16) << 4 | GREY >> 4
    assert np.abs(images.decode(tiff(values, bits=12))[..., 0].astype(int) - GREY).max() <= 1


def test_deep_colours_in_planes_are_refused():
    planes = np.stack([GREY, 255 - GREY, GREY // 2]).astype(np.uint16) * 257
    with pytest.raises(BadImageError, match="separate planes"):
        images.decode(tiff(planes, planes=2))
    eight = (planes >> 8).astype(np.uint8)
    assert (images.decode(tiff(eight, planes=2)) == np.moveaxis(eight, 0, -1)).all()


def test_bytes_with_a_sign_are_refused():
    with pytest.raises(BadImageError, match="have a sign"):
        images.decode(tiff(GREY, sign=[2]))


@pytest.mark.parametrize("kind", [{"kind": [1]}, {"old_kind": [2]}])
def test_a_preview_at_the_start_of_a_tiff_is_refused(kind):
    with pytest.raises(BadImageError, match="begins with a preview"):
        images.decode(tiff(GREY, **kind))


@pytest.mark.parametrize("factor", [1, 257])
def test_a_palette_of_8_bits_is_not_black(factor):
    levels = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 2])
    found = images.decode(tiff(GREY, colours=3, map=levels * factor))
    assert (found == np.moveaxis(levels, 0, -1)[GREY]).all()


def test_what_kind_of_file_cannot_be_read_is_named():
    with pytest.raises(BadImageError, match="TIFF file is damaged, or of a kind"):
        images.decode(tiff(GREY.astype(np.uint32), bits=24))


def jpeg_2000(bits, *, sign=False, channels=3):
    """A JPEG 2000 whose header states other bits than the 8 that it was made of."""
    picture = Image.fromarray(np.stack([GREY] * channels, -1) if channels > 1 else GREY)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
    data = bytearray(buffer.getvalue())
    for channel in range(channels):
        data[42 + 3 * channel] = bits - 1 | (128 if sign else 0)
    return bytes(data)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("bits", "sign"), [(4, False), (6, False), (8, True)])
def test_jpeg_2000_of_few_bits_or_with_a_sign_is_refused_and_not_dark(bits, sign, channels):
    with pytest.raises(BadImageError, match="another depth than 8 bits"):
        images.decode(jpeg_2000(bits, sign=sign, channels=channels))
    assert (images.decode(jpeg_2000(8, channels=channels))[..., 0] == GREY).all()


def test_a_coding_that_opencv_cannot_read_leaves_the_terminal_alone(capfd):
    half = np.stack([GREY / 255] * 3, -1).astype(np.float16)
    with pytest.raises(BadImageError, match="cannot be read"):
        images.decode(tiff(half, sign=[3, 3, 3]))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "settings"), [("JPEG2000", {"no_jp2": True}), ("JPEG2000", {}), ("PPM", {})]
)
def test_a_file_without_a_suffix_is_told_by_its_content(kind, settings, tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a", kind, **settings)
    assert images.is_image(tmp_path / "a")
    assert (images.load(tmp_path / "a")[..., 0] == GREY).all()
