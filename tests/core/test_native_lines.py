"""What libtiff prints of a damaged file becomes the reason why it is refused."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.native_lines import libtiff_errors

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def tiff(compression, mode="RGB"):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, "TIFF", compression=compression)
    return buffer.getvalue()


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def test_a_damaged_tiff_is_refused_in_the_words_of_libtiff_and_prints_nothing(capfd):
    with pytest.raises(BadImageError, match=r"damaged: ZIPDecode: .*incorrect data check"):
        images.decode(flipped(tiff("tiff_adobe_deflate"), 6000))
    assert capfd.readouterr().err == ""


def test_what_libtiff_reads_on_from_a_damaged_file_is_refused(capfd):
    data = tiff("group4", "1")
    for place in range(40, 200, 20):
        with pytest.raises(BadImageError, match=r"damaged: Fax4Decode: "):
            images.decode(flipped(data, place))
    assert capfd.readouterr().err == ""


def test_whole_files_are_read(capfd):
    for compression in ("tiff_adobe_deflate", "tiff_lzw", "packbits"):
        assert np.array_equal(images.decode(tiff(compression)), PIXELS)
    assert capfd.readouterr().err == ""


def test_what_others_print_meanwhile_is_passed_on(capfd):
    with libtiff_errors() as errors:
        os.write(2, b"somebody else\nTIFFReadDirectory: Bad things.\nand on")
    assert errors == ["TIFFReadDirectory: Bad things."]
    assert capfd.readouterr().err == "somebody else\nand on"


def test_a_closed_stderr_stops_nothing():
    script = (
        "import os; os.close(2)\n"
        "from demagnify.core.native_lines import libtiff_errors\n"
        "with libtiff_errors() as errors: pass\n"
        "print(errors)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ended.stdout == b"[]\n"
