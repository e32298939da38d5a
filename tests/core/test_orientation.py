"""Photographs are turned upright by EXIF data, or by XMP where those say nothing."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from demagnify.core import images
from demagnify.data.photographs import Photograph

PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{}</rdf:RDF>'
    "</x:xmpmeta>"
)
SPELLINGS = (
    ' tiff:Orientation="6"/>',
    " tiff:Orientation='6'/>",
    ' tiff:Orientation = "6"/>',
    "><tiff:Orientation>6</tiff:Orientation></rdf:Description>",
    "><tiff:Orientation> 6 </tiff:Orientation></rdf:Description>",
)
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


def stored(kind, stated, exif=None):
    """A picture that lies on its side, as XMP says, and EXIF data if given."""
    packet = PACKET.format(stated)
    options = {"xmp": packet.encode()}
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet)
    elif kind == "TIFF":
        options = {"tiffinfo": {700: packet.encode()}}
    if exif:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = exif
    if kind == "WEBP":
        options["lossless"] = True
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_orientation_in_xmp_alone_counts_however_it_is_written(kind, spelling):
    data = stored(kind, spelling)
    photo = Photograph.decode(data)
    assert photo.orientation == 6
    assert photo.pixels.shape == (24, 16, 3)
    if kind != "JPEG":
        assert np.array_equal(photo.pixels, np.rot90(PIXELS, -1))
    copy = photo.encode(photo.pixels)
    assert np.array_equal(images.decode(copy), photo.pixels)


def test_it_is_what_pillow_does():
    data = stored("PNG", SPELLINGS[0])
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(images.decode(data), np.asarray(turned))


@pytest.mark.parametrize("exif", [1, 3])
def test_exif_data_count_where_xmp_says_something_else(exif):
    photo = Photograph.decode(stored("PNG", SPELLINGS[1], exif))
    assert photo.orientation == exif
    assert np.array_equal(photo.pixels, np.rot90(PIXELS, exif - 1))


@pytest.mark.parametrize("value", ["0", "9", "66", "", "six"])
def test_an_orientation_that_is_none_turns_nothing(value):
    data = stored("PNG", f" tiff:Orientation='{value}'/>")
    assert np.array_equal(images.decode(data), PIXELS)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_the_orientation_of_a_tiff_is_told_beside_its_upright_pixels(depth):
    grey = (PIXELS[..., 0] / np.float32(255)) if depth is np.float32 else PIXELS[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(depth)).save(buffer, "TIFF", tiffinfo={274: 6})
    photo = Photograph.decode(buffer.getvalue())
    assert photo.orientation == 6
    assert photo.pixels.shape == (24, 16, 3)
