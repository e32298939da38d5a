"""Damaged files that state colours, or hold floating-point ones: their checksums are right."""

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path

import cv2
import fuzz_mutation as mutation
import numpy as np
from fuzz_kinds import kind
from PIL import Image

from demagnify.core import images

NAMES = (b"gAMA", b"cHRM", b"cICP", b"sRGB", b"iCCP", b"tRNS", b"eXIf", b"pHYs", b"tEXt")


@cache
def _float_files() -> list[bytes]:
    colours = np.random.default_rng(0).random((23, 17, 4), dtype=np.float32)
    found = []
    for channels in (3, 4):
        for compression in (1, 5, 8):
            for rows in (4, 23):
                options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
                options += [cv2.IMWRITE_TIFF_ROWSPERSTRIP, rows]
                part = np.ascontiguousarray(colours[..., :channels])
                found.append(cv2.imencode(".tiff", part, options)[1].tobytes())
    return found


@kind
def image_floats(rng: random.Random, folder: Path) -> None:
    """A TIFF of floating-point colours with damaged bytes, most often in its tags."""
    data = rng.choice(_float_files())
    if rng.random() < 0.7:  # the tags are at the end, or at the start
        tags = int.from_bytes(data[4:8], "little")
        data = data[:tags] + mutation.mutate(data[tags:], rng)
    else:
        data = mutation.mutate(data, rng)
    assert images.decode(data).dtype == np.uint8


@kind
def image_colours(rng: random.Random, folder: Path) -> None:
    """A PNG whose chunks say odd things about its colours."""
    mode = rng.choice(["RGB", "L", "P", "RGBA", "LA", "1", "I;16"])
    buffer = io.BytesIO()
    Image.new(mode, (17, 23)).save(buffer, "PNG")
    data = buffer.getvalue()
    place = data.index(b"IDAT") - 4
    made = b""
    for _ in range(rng.randint(1, 4)):
        name = rng.choice(NAMES)
        content = rng.randbytes(rng.choice([0, 1, 4, 4, 32, 32, 40]))
        if name == b"cICP" and rng.random() < 0.5:
            content = bytes(rng.choice([0, 1, 9, 12, 13, 16, 18]) for _ in range(4))
        if name == b"cHRM" and rng.random() < 0.5:
            content = struct.pack(">8I", *(rng.randrange(0, 120_000) for _ in range(8)))
        checksum = struct.pack(">I", zlib.crc32(name + content))
        made += struct.pack(">I", len(content)) + name + content + checksum
    assert images.decode(data[:place] + made + data[place:]).shape == (23, 17, 3)
