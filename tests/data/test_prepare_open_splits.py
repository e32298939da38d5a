"""Splits of one data set or several, opened as faces."""

import numpy as np
import pytest

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.data import FaceDataset
from demagnify.data.prepare import open_splits
from tiny_faces import SIZE, write_faces

COUNTS = {"train": 2, "val": 1, "test": 1}


@pytest.fixture
def source(tmp_path):
    return write_faces(tmp_path / "one", counts=COUNTS)


@pytest.fixture
def other(tmp_path):
    return write_faces(tmp_path / "other", seed=1, counts=COUNTS)


def open_split(sources, split, **options):
    return open_splits(sources, [split], **options)[split]


def test_one_set_keeps_its_names_and_groups(source):
    faces = open_split([source], "train", size=SIZE)
    assert faces.names == [f"train/{label}/0{n}.png" for n in (0, 1) for label in ("real", "fake")]
    assert faces.groups.tolist() == ["train-00", "train-00", "train-01", "train-01"]
    assert faces.labels.tolist() == [0, 1, 0, 1]
    assert faces.size == SIZE
    pixels = images.from_batch(faces.batch([1]))[0]
    np.testing.assert_array_equal(pixels, images.load(source / "train/fake/00.png"))


def test_groups_of_several_sets_stay_apart(source, other):
    faces = open_split([source, other], "train", size=SIZE)
    assert len(faces) == 8
    assert len(set(faces.names)) == 8
    assert sorted(set(faces.groups)) == ["0:train-00", "0:train-01", "1:train-00", "1:train-01"]
    alone = [open_split([one], "train", size=SIZE) for one in (source, other)]
    expected = np.concatenate([one.images for one in alone])
    np.testing.assert_array_equal(faces.batch(range(8)).numpy(), expected)
    assert faces.labels.tolist() == [label for one in alone for label in one.labels]


def spoil(source):
    """A line that cannot be used, and a file of each split that cannot be read."""
    with (source / "metadata.csv").open("a") as file:
        file.write("train/real/00.png,perhaps,train,x\n")
    for split in COUNTS:
        (source / split / "real" / "00.png").write_bytes(b"no photograph")


def test_what_was_left_out_is_listed_once(source):
    spoil(source)
    opened = open_splits([source], ["val", "test"], size=SIZE)
    listed = {split: [one.where for one in faces.skipped] for split, faces in opened.items()}
    assert listed == {
        "val": ["metadata.csv, line 10", "val/real/00.png"],
        "test": ["test/real/00.png"],
    }
    assert [len(faces) for faces in opened.values()] == [1, 1]


def test_what_was_left_out_of_several_sets_is_told_apart(source, other):
    spoil(source)
    spoil(other)
    faces = open_split([source, other], "train", size=SIZE)
    assert sorted(one.where for one in faces.skipped) == [
        "0:metadata.csv, line 10",
        "0:train/real/00.png",
        "1:metadata.csv, line 10",
        "1:train/real/00.png",
    ]


def test_strict_stops_at_a_bad_line_and_at_a_bad_file(source, other):
    (source / "train/real/00.png").write_bytes(b"no photograph")
    with pytest.raises(BadImageError, match=r"00\.png"):
        open_split([source], "train", size=SIZE, strict=True)
    spoil(other)
    with pytest.raises(BadManifestError, match="line 10"):
        open_split([other], "train", size=SIZE, strict=True)


def test_a_missing_split_is_told_before_anything_is_decoded(source, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(FaceDataset, "open", forbidden)
    with pytest.raises(BadManifestError, match="no image is in the split 'dev'"):
        open_splits([source], ["train", "dev"], size=SIZE)


def test_a_group_in_two_splits_is_refused(source):
    text = (source / "metadata.csv").read_text().replace("test-00", "train-00")
    (source / "metadata.csv").write_text(text)
    with pytest.raises(BadManifestError, match="'train-00'"):
        open_split([source], "val", size=SIZE)
