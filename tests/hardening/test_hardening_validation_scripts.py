"""`benchmarks/on_validation.py` and `benchmarks/source_videos.py`."""

import csv

import numpy as np
import pytest

import scripts
from demagnify import FaceDataset, Manifest, load_defense
from tiny_faces import write_faces


@pytest.fixture
def folder(tmp_path):
    return write_faces(tmp_path / "toys", counts={"train": 4, "val": 6, "test": 1})


def rows_of(capsys, mark):
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith(f"| {mark}")]


@pytest.fixture
def pair(tiny, tmp_path):
    """The folders of two detectors of one network."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for seed, place in enumerate(folders):
        tiny(seed).save(place, {})
    return folders


def test_defences_stand_beside_the_first_one(folder, pair, monkeypatch, capsys):
    script = scripts.load("on_validation")
    scripts.run(script, monkeypatch, *pair, "--data", folder, "--attack", "bicubic-x2")
    rows = rows_of(capsys, "toys")
    found = [(row[2], row[3], len(row)) for row in rows]
    clean, attacked = (
        [(attack, "first", 7), (attack, "second", 9)] for attack in ("none", "bicubic-x2")
    )
    assert found == [*clean, *attacked]


def test_means_of_two_detectors_and_both_have_lines(folder, pair, monkeypatch, capsys):
    script = scripts.load("on_validation")
    words = [*pair, "--means", "--data", folder, "--attack", "bicubic-x2"]
    scripts.run(script, monkeypatch, *words)
    rows = rows_of(capsys, "toys")
    assert [row[2] for row in rows] == ["none"] * 6 + ["bicubic-x2"] * 6
    assert [row[3] for row in rows[:3]] == ["first", "second", "25.0 % of second's weights"]
    assert {row[1] for row in rows} == {"12, 6"}


def test_both_call_fake_what_either_calls_fake(folder, pair):
    script = scripts.load("on_validation")
    faces = FaceDataset.open(Manifest.load(folder).split("val"), size=32)
    names = ["first", "second"]
    defenses = [load_defense(place, precision="float32") for place in pair]
    found = dict(script.margins_of(defenses, names, faces, means=True))
    either = (found["first"] > 0) | (found["second"] > 0)
    np.testing.assert_array_equal(found["both"] > 0, either)
    half = found["50.0 % of second's weights"]
    assert not np.allclose(half, found["first"], atol=0.01)
    assert not np.allclose(half, found["second"], atol=0.01)


def test_means_are_of_two_detectors(folder, pair, monkeypatch, capsys):
    script = scripts.load("on_validation")
    with pytest.raises(SystemExit):
        scripts.run(script, monkeypatch, pair[0], "--means", "--data", folder)
    assert "--means takes two detectors" in capsys.readouterr().err


def test_clips_with_a_source_in_train_stand_apart(folder, pair, monkeypatch, capsys):
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
    scripts.run(script, monkeypatch, folder, "--detector", pair[0])
    shared, apart = rows_of(capsys, "val")
    assert [shared[1:4], apart[1:4]] == [
        ["yes", "8, 4", "test_efficientnet"],
        ["no", "4, 2", "test_efficientnet"],
    ]


def test_real_and_fake_clips_of_one_source_are_one_group():
    source_of = scripts.load("source_videos").source_of
    assert source_of("fake-train_00792") == source_of("real-train_00072") == "train_72"
    assert source_of("another") == "another"
