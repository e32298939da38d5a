"""Folders called real and fake."""

import os

import pytest

from demagnify.core.errors import BadManifestError
from demagnify.data.manifest import Manifest


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def rows(manifest):
    return {
        record.path.relative_to(manifest.root).as_posix(): (record.label, record.split)
        for record in manifest
    }


def test_labels_come_from_names(tmp_path):
    touch(tmp_path, "real/b.png", "fake/a.jpg", "fake/deep/c.webp", "other/d.png", "real/notes.txt")
    assert rows(Manifest.load(tmp_path)) == {
        "fake/a.jpg": (1, "all"),
        "fake/deep/c.webp": (1, "all"),
        "real/b.png": (0, "all"),
    }


def test_splits_come_from_names_in_any_case(tmp_path):
    touch(tmp_path, "Train/Fake/a.png", "Validation/REAL/b.png", "test/real/c.png")
    assert rows(Manifest.load(tmp_path)) == {
        "Train/Fake/a.png": (1, "train"),
        "Validation/REAL/b.png": (0, "val"),
        "test/real/c.png": (0, "test"),
    }


def test_one_label_is_enough(tmp_path):
    touch(tmp_path, "fake/a.png")
    assert rows(Manifest.load(tmp_path)) == {"fake/a.png": (1, "all")}


def test_each_file_is_a_group_of_its_own(tmp_path):
    touch(tmp_path, "real/a.png", "fake/a.png")
    assert {record.group for record in Manifest.load(tmp_path)} == {"real/a.png", "fake/a.png"}


def test_a_manifest_wins_over_folders(tmp_path):
    touch(tmp_path, "real/a.png", "fake/a.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\nreal/a.png,fake\n")
    assert rows(Manifest.load(tmp_path)) == {"real/a.png": (1, "all")}


def test_a_folder_of_something_else_is_refused(tmp_path):
    touch(tmp_path, "cats/a.png", "dogs/b.png")
    with pytest.raises(BadManifestError, match="there are no folders real and fake, no table"):
        Manifest.load(tmp_path)


def test_empty_folders_are_refused(tmp_path):
    (tmp_path / "real").mkdir()
    with pytest.raises(BadManifestError, match="no image can be used"):
        Manifest.load(tmp_path)


def test_a_name_that_cannot_be_written_down_is_left_out(tmp_path):
    touch(tmp_path, "real/a.png", "real/" + os.fsdecode(b"caf\xe9.png"))
    manifest = Manifest.load(tmp_path)
    assert rows(manifest) == {"real/a.png": (0, "all")}
    assert "not UTF-8" in str(manifest.skipped[0])
    str(manifest.skipped[0]).encode("utf-8")
    with pytest.raises(BadManifestError, match="not UTF-8"):
        Manifest.load(tmp_path, strict=True)


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "real/a.png")

    def refused(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "iterdir", refused)
    with pytest.raises(BadManifestError, match="cannot be read: Permission denied"):
        Manifest.load(tmp_path)


def test_an_unreadable_folder_deeper_down_is_left_out_with_its_reason(tmp_path, monkeypatch):
    touch(tmp_path, "real/a.png", "fake/locked/b.png", "fake/c.png")
    scan = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    manifest = Manifest.load(tmp_path)
    assert sorted(rows(manifest)) == ["fake/c.png", "real/a.png"]
    assert [str(one) for one in manifest.skipped] == [
        "fake/locked: cannot be read: Permission denied"
    ]
    with pytest.raises(BadManifestError, match="fake/locked: cannot be read"):
        Manifest.load(tmp_path, strict=True)
