"""TIFF files in parts: each part is what the whole has there."""

import contextlib

import cv2
import numpy as np
import pytest

from demagnify.core import deep_images, images, tiff_strips
from demagnify.core.errors import BadImageError

COLOURS = np.random.default_rng(0).random((100, 70, 3), dtype=np.float32)
NONE, LZW, DEFLATE = 1, 5, 8


def strips(colours, compression=DEFLATE, rows=7):
    settings = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_ROWSPERSTRIP, rows]
    return cv2.imencode(".tiff", colours, settings)[1].tobytes()


def tiles(colours, order, side=32):
    height, width, samples = colours.shape
    down, across = -(-height // side), -(-width // side)
    padded = np.zeros((down * side, across * side, samples), order + "f4")
    padded[:height, :width] = colours[..., ::-1]
    pieces = [
        padded[y * side :, x * side :][:side, :side].tobytes()
        for y in range(down)
        for x in range(across)
    ]
    tags = {256: (width,), 257: (height,), 258: (32,) * 3, 259: (1,), 262: (2,), 277: (3,)}
    tags |= {284: (1,), 322: (side,), 323: (side,), 324: (), 339: (3,) * 3}
    return tiff_strips._file(order, tags, pieces)


FILES = {
    "strips": strips(COLOURS),
    "lzw": strips(COLOURS, LZW),
    "plain": strips(COLOURS, NONE),
    "one strip": strips(COLOURS, NONE, 100),
    "one strip, deflated": strips(COLOURS, DEFLATE, 100),
    "doubles": strips(COLOURS.astype(np.float64)),
    "transparent": strips(np.concatenate([COLOURS, COLOURS[..., :1]], axis=2)),
    "tiles": tiles(COLOURS, "<"),
    "tiles of the other order": tiles(COLOURS, ">"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rows", [1, 20, 33, 1000])
def test_parts_are_the_whole(name, rows):
    data = FILES[name]
    found = list(tiff_strips.parts(data, deep_images._tags(data), rows))
    if name != "one strip, deflated" and rows == 20:
        assert len(found) > 2
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert whole.shape[:2] == (100, 70)
    for top, part in found:
        pixels = cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_UNCHANGED)
        assert (pixels == whole[top : top + len(pixels)]).all()
        assert len(pixels) == len(whole) or top or len(found) > 1
    assert found[-1][0] + len(pixels) == 100


@pytest.mark.parametrize("name", [name for name in FILES if name != "transparent"])
@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_what_is_white_may_show_in_the_last_rows(name, white, monkeypatch):
    monkeypatch.setattr(deep_images, "_STRIPE", 70 * 5)
    if name != "strips":
        pixels = images.decode(FILES[name])
        assert np.abs(pixels - COLOURS[..., ::-1] * 255).max() <= 0.51
        return
    colours = COLOURS * np.linspace(0.001, 1, 100, dtype=np.float32)[:, None, None] * white
    colours[-1, -1, -1] = white
    pixels = images.decode(strips(colours))
    assert np.abs(pixels - colours[..., ::-1] * (255 / white)).max() <= 0.51


@pytest.mark.parametrize("place", [5, 60, 500, 5000])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_one_is_read_or_refused(name, place):
    broken = bytearray(FILES[name])
    broken[place] ^= 0x55
    with contextlib.suppress(BadImageError):
        assert images.decode(bytes(broken)).ndim == 3
