"""`benchmarks/two_detectors.py`: two detectors, means of their weights, and both together."""

import numpy as np
import pytest

import scripts
from demagnify import FaceDataset, Manifest, load_detector
from tiny_faces import write_faces


@pytest.fixture
def folder(tmp_path):
    return write_faces(tmp_path / "toys", counts={"train": 1, "val": 6, "test": 1})


def test_each_has_a_line_for_each_attack(folder, monkeypatch, capsys):
    script = scripts.load("two_detectors")
    words = ["hardened", "broad", "--data", folder, "--attack", "bicubic-x2"]
    scripts.run(script, monkeypatch, *words)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "toys" in line]
    assert [row[2] for row in rows] == ["none"] * 6 + ["bicubic-x2"] * 6
    assert [row[3] for row in rows[:3]] == ["hardened", "broad", "25.0 % of broad's weights"]
    assert {row[1] for row in rows} == {"12, 6"}


def test_both_call_fake_what_either_calls_fake(folder):
    script = scripts.load("two_detectors")
    faces = FaceDataset.open(Manifest.load(folder).split("val"), size=224)
    first, second = (load_detector(name, precision="float32") for name in ("hardened", "broad"))
    found = dict(script.margins_of(first, second, faces))
    either = (found["hardened"] > 0) | (found["broad"] > 0)
    np.testing.assert_array_equal(found["both"] > 0, either)
    half = found["50.0 % of broad's weights"]
    assert not np.allclose(half, found["hardened"], atol=0.01)
    assert not np.allclose(half, found["broad"], atol=0.01)
