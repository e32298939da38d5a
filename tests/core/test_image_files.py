"""Images in folders are told by content, and nothing is left out without a word."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demagnify.core import image_files, images
from demagnify.core.errors import BadImageError

PIXELS = np.full((16, 16, 3), 90, dtype=np.uint8)


def listed(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Returns the images in a folder, and what was left out and why."""
    told: dict[str, str] = {}

    def skip(path: Path, reason: str) -> None:
        told[path.relative_to(folder).as_posix()] = reason

    found = images.list_files(folder, on_skip=skip)
    return [path.relative_to(folder).as_posix() for path in found], told


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.mpo", "a", "a.photo", "a.JPG_large"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_an_image_is_told_by_its_content(tmp_path, name, kind):
    Image.fromarray(PIXELS).save(tmp_path / name, kind)
    assert listed(tmp_path) == ([name], {})
    assert images.load(tmp_path / name).shape == (16, 16, 3)


def test_what_is_no_image_is_named_but_for_texts_and_tables(tmp_path):
    for name in ("notes.txt", "metadata.csv", "README", "a.mp4", "b.svg", "nothing"):
        (tmp_path / name).write_bytes(b"no image")
    assert listed(tmp_path) == (
        [],
        {
            "a.mp4": "not an image (.mp4)",
            "b.svg": "not an image (.svg)",
            "nothing": "not an image (no suffix)",
        },
    )


def test_links_to_folders_are_followed_once(tmp_path):
    inside, outside = tmp_path / "set", tmp_path / "outside"
    for folder in (inside / "deep", outside):
        folder.mkdir(parents=True)
        Image.fromarray(PIXELS).save(folder / "a.png")
    (inside / "linked").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "deep" / "up").symlink_to(tmp_path)
    (inside / "z.png").symlink_to(outside / "a.png")
    (inside / "gone.png").symlink_to(tmp_path / "none")
    found, told = listed(inside)
    assert found == ["deep/a.png", "linked/a.png", "z.png"]
    assert told == {
        "gone.png": "a link to nothing",
        "loop": "a link to a folder that is read already",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFO")
def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    found, told = listed(tmp_path)
    assert (found, told) == ([], dict.fromkeys(("pipe.png", "zero.png"), "no regular file"))
    for name in told:
        with pytest.raises(BadImageError, match=rf"{name}: is no regular file, not an image"):
            images.load(tmp_path / name)
    with pytest.raises(BadImageError, match="is a folder, not an image"):
        images.load(tmp_path)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path):
    path = tmp_path / "vast.png"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(BadImageError, match="1099511627776 bytes are too many"):
        images.load(path)


def test_heic_is_read_with_its_extra_or_the_extra_is_named(tmp_path, monkeypatch):
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    (tmp_path / "a.HEIC").write_bytes(head)
    (tmp_path / "b").write_bytes(head)
    assert listed(tmp_path) == (["a.HEIC", "b"], {})
    monkeypatch.setattr(images, "readable_formats", lambda: ("JPEG", "PNG"))
    monkeypatch.setattr(image_files, "readable_formats", lambda: ("JPEG", "PNG"))
    with pytest.raises(BadImageError, match=r"a\.HEIC: HEIC .*\[heif\]"):
        images.load(tmp_path / "a.HEIC")


def test_heic_gives_the_pixels(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(PIXELS)).save(tmp_path / "a.heic", quality=90)
    shutil.copy(tmp_path / "a.heic", tmp_path / "b")
    for name in ("a.heic", "b"):
        pixels = images.load(tmp_path / name)
        assert np.abs(pixels.astype(int) - 90).max() <= 3
