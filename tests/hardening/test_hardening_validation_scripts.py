"""`benchmarks/on_validation.py` and `benchmarks/source_videos.py`."""

import csv

import pytest

import scripts
from tiny_faces import write_faces


@pytest.fixture
def folder(tmp_path):
    return write_faces(tmp_path / "toys", counts={"train": 4, "val": 6, "test": 1})


def rows_of(capsys, mark):
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith(f"| {mark}")]


def test_defences_stand_beside_the_first_one(folder, monkeypatch, capsys):
    script = scripts.load("on_validation")
    scripts.run(script, monkeypatch, "light", "light", "--data", folder, "--attack", "bicubic-x2")
    rows = rows_of(capsys, "toys")
    assert [row[2] for row in rows] == ["none", "bicubic-x2"]
    scripts.run(script, monkeypatch, "light", "hardened", "--data", folder)
    first, second = rows_of(capsys, "toys")
    assert [first[3], second[3]] == ["light", "hardened"]
    assert (len(first), len(second)) == (7, 9)


def test_clips_with_a_source_in_train_stand_apart(folder, monkeypatch, capsys):
    table = folder / "metadata.csv"
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        number = int(row["group"].rpartition("-")[2]) + (4 if row["split"] == "test" else 0)
        # Clips 720 to 723 of val have the sources of clips 0 to 3, which are in train.
        clip = number + 720 if row["split"] == "val" else number
        row["group"] = f"{row['label']}-train_{clip:05d}"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file_name", "label", "split", "group"])
        writer.writeheader()
        writer.writerows(rows)
    script = scripts.load("source_videos")
    scripts.run(script, monkeypatch, folder, "--detector", "light")
    shared, apart = rows_of(capsys, "val")
    assert [shared[1:4], apart[1:4]] == [["yes", "8, 4", "light"], ["no", "4, 2", "light"]]


def test_real_and_fake_clips_of_one_source_are_one_group():
    source_of = scripts.load("source_videos").source_of
    assert source_of("fake-train_00792") == source_of("real-train_00072") == "train_72"
    assert source_of("another") == "another"
