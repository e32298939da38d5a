"""Data sets that are no crops yet are read as they are, by everything that takes `--data`."""

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.data import FaceDataset, Manifest
from demagnify.data.face_finding import square_around
from demagnify.data.prepare import PrepareConfig, open_splits, prepared
from field_sets import face_forensics, open_forensics, picture


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEMAGNIFY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def root(tmp_path):
    return open_forensics(tmp_path / "OpenForensics", ("Train", "Val"))


def test_crops_are_given_back_as_they_are(tmp_path, cache):
    images.save_png(tmp_path / "set/real/a.png", picture(0))
    images.save_png(tmp_path / "set/fake/b.png", picture(1))
    manifest = Manifest.load(tmp_path / "set")
    assert prepared(manifest) is manifest
    assert not cache.exists()


def test_faces_are_cut_once_and_then_read_from_the_cache(root, monkeypatch):
    manifest = Manifest.load(root)
    first = prepared(manifest)
    assert first.prepared
    with monkeypatch.context() as patch:
        patch.setattr(images, "load", lambda _path: pytest.fail("cut a second time"))
        again = prepared(Manifest.load(root))
    assert again.root == first.root
    assert again.names == first.names


def test_the_same_rows_are_known_again_however_they_were_chosen(root):
    manifest = Manifest.load(root)
    val = prepared(manifest.split("val"))
    same = manifest[np.flatnonzero([record.split == "val" for record in manifest])]
    assert prepared(same).root == val.root
    assert prepared(manifest.split("train")).root != val.root


@pytest.mark.parametrize("what", ["photograph", "settings", "manifest"])
def test_what_changed_is_cut_again(root, what):
    manifest = Manifest.load(root)
    before = prepared(manifest)
    if what == "photograph":
        images.save_png(root / "Images/Train/photo-0.png", picture(9))
        after = prepared(manifest)
    elif what == "settings":
        after = prepared(manifest, PrepareConfig(margin=0.3))
    else:
        after = prepared(Manifest.load(root, fraction=0.5))
    assert after.root != before.root
    assert after.prepared


def test_what_was_left_out_is_listed_each_time(root):
    (root / "Images/Val/photo-1.png").write_bytes(b"no image")
    for _ in range(2):
        (line,) = prepared(Manifest.load(root)).skipped
        assert line.where == "Images/Val/photo-1.png"
    for _ in range(2):
        with pytest.raises(BadImageError, match=r"photo-1\.png"):
            prepared(Manifest.load(root), strict=True)


def test_experiments_read_photographs_with_boxes(root):
    opened = open_splits([root], ["train", "val"], size=28)
    assert [len(faces) for faces in opened.values()] == [12, 12]
    face = Manifest.load(root)[1]
    photo = images.load(face.path)
    x, y, side = square_around(face.box, photo.shape)
    expected = images.fit(photo[y : y + side, x : x + side].copy(), 28)
    assert np.array_equal(opened["train"].images[1], expected.transpose(2, 0, 1))
    assert opened["train"].groups[1] == "Images/Train/photo-0.png"


def test_experiments_list_what_could_not_be_cut(root):
    (root / "Images/Val/photo-1.png").write_bytes(b"no image")
    opened = open_splits([root], ["train", "val"], size=28)
    assert len(opened["val"]) == 9
    assert [line.where for line in opened["val"].skipped] == ["Images/Val/photo-1.png"]
    assert opened["train"].skipped == ()


def test_the_scene_view_needs_no_cutting(root, cache):
    scenes = Manifest.load(root, view="scene")
    assert prepared(scenes) is scenes
    assert len(FaceDataset.open(scenes, size=32)) == 24
    assert not cache.exists()


def test_boxes_must_be_cut_before_they_are_decoded(root):
    with pytest.raises(BadManifestError, match="demagnify data prepare"):
        FaceDataset.open(Manifest.load(root), size=32)


@pytest.mark.assets
def test_videos_without_faces_say_so(asset, tmp_path):
    asset("yunet")
    root = face_forensics(tmp_path / "ff", methods=("Deepfakes",), frames=2)
    with pytest.raises(BadManifestError, match=r"no face could be cut out.* no face was found"):
        prepared(Manifest.load(root, frames=1))
