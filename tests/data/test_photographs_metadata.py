"""What is kept of EXIF, XMP, ICC profiles and text, and that it says "upright" in the end."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from demagnify.core import images
from demagnify.data.photo_metadata import straighten_exif, straighten_xmp
from demagnify.data.photographs import Photograph

XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:title="\xc3\x84"/></x:xmpmeta>'
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def scene(height=48, width=64):
    """Corners of four colours and a gradient: turned or mirrored it looks different."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8)


def exif(orientation, order="<"):
    """A block with the camera, the orientation and a maker's note that holds offsets."""
    tags = Image.Exif()
    tags.endian = order
    tags[0x010F] = "Camera & Sons"
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0x927C] = b"note\x00\xff" * 4
    return tags.tobytes()


def encoded(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def shown(data):
    """What a viewer shows that heeds the orientation, and one that does not."""
    with Image.open(io.BytesIO(data)) as image:
        careless = np.array(image.convert("RGB"))
    return images.decode(data), careless


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("save_as", ["png", "original"])
def test_every_viewer_sees_the_copy_upright(orientation, kind, save_as):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(scene(), kind, exif=exif(orientation), **options)
    photo = Photograph.decode(data)
    assert np.array_equal(photo.pixels, images.decode(data))
    for seen in shown(photo.encode(photo.pixels, save_as=save_as)):
        assert seen.shape == photo.pixels.shape
        lossy = kind == "JPEG" and save_as == "original"
        assert np.abs(seen.astype(int) - photo.pixels).mean() <= (3 if lossy else 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_only_the_orientation_changes_in_exif(order):
    before = exif(6, order)
    after = straighten_exif(before)
    changed = [
        place for place, pair in enumerate(zip(before, after, strict=True)) if len({*pair}) > 1
    ]
    assert len(changed) == 1
    tags = Image.Exif()
    tags.load(after)
    assert tags[0x0112] == 1
    assert tags[0x010F] == "Camera & Sons"
    assert tags.get_ifd(0x8769)[0x927C] == b"note\x00\xff" * 4


def test_orientations_as_long_numbers_are_patched_too():
    block = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHII", 0x0112, 4, 1, 6)
    assert straighten_exif(block)[-4:] == b"\0\0\0\1"


@given(st.binary(max_size=200), st.sampled_from([b"", b"Exif\0\0", b"Exif\0\0II*\0", b"MM\0*"]))
def test_broken_exif_is_dropped_or_kept_at_its_length(rest, head):
    assert len(straighten_exif(head + rest)) in (0, len(head + rest))


@pytest.mark.parametrize(
    "text", [b'tiff:Orientation="6"', b"tiff:Orientation = '3'", b"<tiff:Orientation>8</"]
)
def test_xmp_says_upright(text):
    assert b"1" in straighten_xmp(text)
    assert not {b"6", b"3", b"8"} & {bytes([byte]) for byte in straighten_xmp(text)}


@pytest.mark.parametrize("save_as", ["png", "original"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_metadata_is_kept(kind, save_as):
    options = {"exif": exif(1), "icc_profile": PROFILE, "dpi": (300, 300)}
    if kind == "TIFF":
        tags = Image.Exif()
        tags.load(exif(1))
        tags[700] = XMP
        options["exif"] = tags
    elif kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"].add_itxt("Title", "Zoë")
    else:
        options["xmp"] = XMP
    photo = Photograph.decode(encoded(scene(), kind, **options))
    with Image.open(io.BytesIO(photo.encode(photo.pixels, save_as=save_as))) as copy:
        copy.load()
        assert copy.getexif()[0x010F] == "Camera & Sons"
        assert copy.getexif().get_ifd(0x8769)[0x927C] == b"note\x00\xff" * 4
        assert copy.info["icc_profile"] == PROFILE
        assert copy.info["xmp"] == straighten_xmp(XMP)
        if kind != "WEBP":
            assert np.allclose(copy.info["dpi"], 300, atol=0.1)
        if kind == "PNG":
            assert copy.text["Title"] == "Zoë"


def test_exif_in_the_text_of_old_png_files_is_not_applied_twice():
    info = PngImagePlugin.PngInfo()
    block = exif(6)
    info.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    photo = Photograph.decode(encoded(scene(), "PNG", pnginfo=info))
    assert photo.pixels.shape == (64, 48, 3)
    copy = photo.encode(photo.pixels)
    assert np.array_equal(images.decode(copy), photo.pixels)


def test_a_profile_for_other_colours_is_left_out():
    buffer = io.BytesIO()
    cmyk = PROFILE[:16] + b"CMYK" + PROFILE[20:]
    Image.fromarray(scene()).convert("CMYK").save(buffer, "JPEG", icc_profile=cmyk)
    photo = Photograph.decode(buffer.getvalue())
    assert photo.metadata.icc_profile == b""
    with Image.open(io.BytesIO(photo.encode(photo.pixels, save_as="original"))) as copy:
        assert copy.mode == "RGB"


def test_a_jpegs_comment_is_kept():
    photo = Photograph.decode(encoded(scene(), "JPEG", comment=b"Caf\xe9"))
    for save_as, key in (("original", "comment"), ("png", "Comment")):
        with Image.open(io.BytesIO(photo.encode(photo.pixels, save_as=save_as))) as copy:
            assert copy.info[key] in (b"Caf\xe9", "Café")
