"""Videos in tables, and crops in the cache that are damaged or gone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from demagnify.core import images
from demagnify.core.errors import BadManifestError, DemagnifyWarning
from demagnify.data import Manifest
from demagnify.data.face_finding import Face
from demagnify.data.prepare import PrepareConfig, prepare, prepared


class Finder:
    """Finds the whole photograph."""

    def find(self, pixels):
        height, width = pixels.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), np.zeros((5, 2)), 1.0)]


def film(path, count):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for number in range(count):
        writer.write(np.full((64, 64, 3), 5 * number, dtype=np.uint8))
    writer.release()


@pytest.fixture
def listed(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    film(folder / "a.avi", 50)
    (folder / "metadata.csv").write_text("file_name,label\na.avi,real\n")
    return Manifest.load(folder)


def test_frames_of_a_video_in_a_table_are_spread_evenly(listed, tmp_path):
    assert (listed.prepared, listed.unprepared, listed.whole_videos) == (False, 1, 1)
    with pytest.raises(BadManifestError, match="have yet to be cut out"):
        listed.check_prepared()
    with pytest.warns(DemagnifyWarning, match="1 videos name no frame: 5 frames are taken"):
        summary = prepare(listed, tmp_path / "out", PrepareConfig(video_frames=5), finder=Finder())
    crops = list(summary.manifest)
    assert [crop.extra["photo_frame"] for crop in crops] == ["0", "12", "24", "37", "49"]
    assert {crop.group for crop in crops} == {"a.avi"}
    levels = [images.load(crop.path).mean() for crop in crops]
    assert np.abs(np.array(levels) - [0, 60, 120, 185, 245]).max() < 4


def test_a_frame_that_is_named_is_the_only_one(listed, tmp_path):
    (listed.root / "metadata.csv").write_text("file_name,label,frame\na.avi,real,7\n")
    summary = prepare(Manifest.load(listed.root), tmp_path / "out", finder=Finder())
    assert [crop.extra["photo_frame"] for crop in summary.manifest] == ["7"]


def test_frames_of_a_video_are_no_crops_where_crops_are_kept(listed):
    with pytest.warns(DemagnifyWarning, match="32 frames are taken"):
        crops = prepared(listed, finder=Finder())
    assert len(crops) == 32
    assert {crop.extra["face"] for crop in crops} == {"found"}


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(folder / f"{number}.png")
    rows = "".join(f"{number}.png,real,0,0,30,30\n" for number in range(3))
    (folder / "metadata.csv").write_text(f"file_name,label,x,y,width,height\n{rows}")
    return Manifest.load(folder)


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [_flip, lambda path: path.unlink(), lambda p: p.write_bytes(b"")]
)
def test_a_damaged_crop_in_the_cache_is_made_again_with_a_line(photographs, damage):
    crops = prepared(photographs)
    before = [crop.path.read_bytes() for crop in crops]
    damage(crops[1].path)
    with pytest.warns(DemagnifyWarning, match=r"1-0\.png: is damaged or gone; it is made again"):
        again = prepared(photographs)
    assert [crop.path.read_bytes() for crop in again] == before


@pytest.mark.parametrize("name", ["metadata.csv", "skipped.csv"])
@pytest.mark.parametrize("change", ["", "half"])
def test_a_table_that_was_shortened_is_written_again(photographs, name, change):
    crops = prepared(photographs)
    table = crops.root / name
    before = table.read_text()
    table.write_text(before[: len(before) // 2] if change else "")
    again = prepared(photographs)
    assert len(again) == 3
    assert table.read_text() == before


def test_an_intact_cache_is_used_as_it_is(photographs, monkeypatch):
    prepared(photographs)
    monkeypatch.setattr("demagnify.data.prepare.opening.prepare", None)
    assert len(prepared(photographs)) == 3
