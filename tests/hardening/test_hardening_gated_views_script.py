"""`benchmarks/gated_views.py`: views that are added only where a face is called enhanced."""

import numpy as np
import pytest

import scripts
from demagnify import FaceDataset, Manifest, load_detector
from tiny_faces import write_faces


@pytest.fixture
def folder(tmp_path):
    return write_faces(tmp_path / "toys", counts={"train": 1, "val": 4, "test": 1})


def test_each_way_has_a_line_for_each_attack(folder, monkeypatch, capsys):
    script = scripts.load("gated_views")
    scripts.run(script, monkeypatch, folder, "--size", "64", "--attack", "bicubic-x2")
    lines = capsys.readouterr().out.splitlines()
    rows = [
        line.strip("| ").split(" | ")
        for line in lines
        if "face, mirror" in line or "down-up" in line
    ]
    assert [row[0] for row in rows] == ["none"] * 4 + ["bicubic-x2"] * 4
    assert [row[3] for row in rows[:2]] == ["face, mirror image", "and down-up"]
    assert {row[1] for row in rows} == {"8"}


def test_only_enhanced_faces_get_the_other_view(folder):
    script = scripts.load("gated_views")
    faces = FaceDataset.open(Manifest.load(folder).split("val"), size=64)
    detector = load_detector("hardened", precision="float32")
    enhanced = np.arange(8) < 2
    found = script.choices(detector, None, faces, enhanced)
    default, _ = found["face, mirror image"]
    everywhere, _ = found["and down-up"]
    gated, calls = found["and down-up, where enhanced"]
    np.testing.assert_array_equal(gated[2:], default[2:])
    np.testing.assert_array_equal(gated[:2], everywhere[:2])
    assert calls == 2.25
    assert found["down-up alone, where enhanced"][1] == 1.75


def test_an_expert_answers_for_enhanced_faces_alone(folder):
    script = scripts.load("gated_views")
    faces = FaceDataset.open(Manifest.load(folder).split("val"), size=64)
    detector, expert = (load_detector(one, precision="float32") for one in ("hardened", "light"))
    enhanced = np.arange(8) < 2
    found = script.choices(detector, expert, faces, enhanced)
    gated, calls = found["expert, where enhanced"]
    np.testing.assert_array_equal(gated[2:], found["face, mirror image"][0][2:])
    np.testing.assert_array_equal(gated[:2], found["expert"][0][:2])
    assert calls == 2
    assert found["expert and its down-up, where enhanced"][1] == 2.25
