"""Folders and tables as they are found: read rightly, or refused; nothing is left out unsaid."""

import gzip
import os

import pytest

from demagnify.core.errors import BadManifestError
from demagnify.data import FAKE, REAL, Manifest
from demagnify.data.formats import recognise


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def rows(manifest):
    return {
        one.path.relative_to(manifest.root).as_posix(): (one.label, one.split, one.group)
        for one in manifest
    }


def told(manifest):
    return {one.where: one.reason for one in manifest.skipped}


def test_wild_deepfake_has_its_splits_and_its_sequences(tmp_path):
    for name in ("real_train", "fake_train", "real_test", "fake_test"):
        label = name.partition("_")[0]
        touch(tmp_path, *(f"{name}/{n}/{label}/{n}/{k}.png" for n in (3, 7) for k in range(3)))
    found = rows(Manifest.load(tmp_path, strict=True))
    assert len(found) == 24
    assert found["real_test/7/real/7/2.png"] == (REAL, "test", "real_test/7/real/7")
    assert found["fake_train/3/fake/3/0.png"] == (FAKE, "train", "fake_train/3/fake/3")
    assert len({group for _, _, group in found.values()}) == 8


def test_one_split_in_all_names_is_no_split(tmp_path):
    touch(tmp_path, "training_real/a.png", "training_fake/b.png")
    assert {split for _, split, _ in rows(Manifest.load(tmp_path)).values()} == {"all"}


@pytest.mark.parametrize(
    "names", [("0/1.png", "1/2.png"), ("0/a.png", "1/a.png"), ("0/1.png", "2.png")]
)
def test_other_folders_in_a_label_are_no_groups(tmp_path, names):
    touch(tmp_path, *(f"{label}/{name}" for label in ("real", "fake") for name in names))
    found = rows(Manifest.load(tmp_path))
    assert all(name == group for name, (_, _, group) in found.items())


def test_the_generators_of_genimage_are_named(tmp_path):
    for place in ("midjourney/train", "midjourney/val", "sdv5/train"):
        touch(tmp_path, f"{place}/ai/1.png", f"{place}/nature/2.png")
    with pytest.raises(BadManifestError, match="give the folder that is meant: midjourney, sdv5"):
        recognise(tmp_path)
    assert {one[:2] for one in rows(Manifest.load(tmp_path / "midjourney")).values()} == {
        *((FAKE, "train"), (REAL, "train"), (FAKE, "val"), (REAL, "val")),
    }


def test_a_set_that_lies_deeper_than_the_others_is_told(tmp_path):
    for place in ("progan/airplane", "progan/car", "biggan"):
        touch(tmp_path, f"{place}/0_real/1.png", f"{place}/1_fake/2.png")
    assert {split for _, split, _ in rows(Manifest.load(tmp_path / "progan")).values()} == {
        *("airplane", "car"),
    }
    whole = Manifest.load(tmp_path)
    assert {split for _, split, _ in rows(whole).values()} == {"biggan"}
    assert "give it by itself; 4 files are left out" in told(whole)["progan"]


@pytest.mark.parametrize("kind", ["folder", "file", "hard"])
def test_a_file_that_links_put_under_both_labels_is_told(tmp_path, kind):
    touch(tmp_path, "real/a.png", "real/b.png", "fake/c.png")
    if kind == "folder":
        (tmp_path / "fake/more").symlink_to(tmp_path / "real")
    elif kind == "file":
        (tmp_path / "fake/a.png").symlink_to("../real/a.png")
    else:
        os.link(tmp_path / "real/a.png", tmp_path / "fake/a.png")
    manifest = Manifest.load(tmp_path)
    labels = [label for label, _, _ in rows(manifest).values()]
    assert (labels.count(REAL), labels.count(FAKE)) == ((1, 2) if kind == "hard" else (2, 1))
    assert len(told(manifest)) == (2 if kind == "folder" else 1)
    assert all("is the same file as one in" in reason for reason in told(manifest).values())


def test_links_to_files_elsewhere_are_read(tmp_path):
    touch(tmp_path, "set/real/a.png", "set/fake/b.png", "store/1.png", "store/more/2.png")
    (tmp_path / "set/real/1.png").symlink_to(tmp_path / "store/1.png")
    (tmp_path / "set/fake/more").symlink_to(tmp_path / "store/more")
    manifest = Manifest.load(tmp_path / "set", strict=True)
    found = {name: row[0] for name, row in rows(manifest).items()}
    assert found == {"real/a.png": 0, "real/1.png": 0, "fake/b.png": 1, "fake/more/2.png": 1}


def test_archives_beside_what_is_read_are_told(tmp_path):
    touch(tmp_path, "real/a.png", "fake/b.png", "more.zip", "real.tar.gz", ".hidden.zip")
    assert told(Manifest.load(tmp_path)) == {"more.zip": "is packed; unpack it to have it read"}


@pytest.mark.parametrize("name", ["set.zip", "metadata.csv.gz", "part.tar"])
def test_archives_are_refused_as_such(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(BadManifestError, match="is packed; unpack it to have it read"):
        recognise(tmp_path / name)
    with pytest.raises(BadManifestError, match="archives have to be unpacked first"):
        recognise(tmp_path)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_compressed_table_without_its_suffix_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"file_name,label\na.png,real\n"))
    with pytest.raises(BadManifestError, match="is compressed with gzip"):
        Manifest.load(tmp_path / name)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_headings_in_quotation_marks(tmp_path, delimiter):
    touch(tmp_path, "a.png", "b.png")
    lines = (("", "file_name", "label"), ("1", "a.png", "real"), ("2", "b.png", "fake"))
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    (tmp_path / "metadata.csv").write_text(text)  # as R's write.csv does
    assert [one.label for one in Manifest.load(tmp_path, strict=True)] == [REAL, FAKE]
