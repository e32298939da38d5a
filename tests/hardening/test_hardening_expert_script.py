"""`benchmarks/expert.py`: the threshold of an expert, and what it finds beside false alarms."""

import numpy as np
import pytest

import scripts
from demagnify import load_detector
from demagnify.detectors import create
from tiny_faces import write_faces


def test_it_writes_a_threshold_and_a_line_for_each_set_and_attack(tmp_path, monkeypatch, capsys):
    kind, other = (
        write_faces(tmp_path / name, counts={"train": 1, "val": 6, "test": 1})
        for name in ("kind", "other")
    )
    expert = create("test_efficientnet:2", input_size=32, device="cpu")
    expert.threshold = 99.0
    expert.save(tmp_path / "expert", {"training": "kept"})
    words = [tmp_path / "expert", "--data", kind, "--data", other, "--attack", "bicubic-x2"]
    script = scripts.load("expert")
    scripts.run(script, monkeypatch, *words, "--most", "0.1")
    written = load_detector(tmp_path / "expert", device="cpu")
    assert written.threshold < 99
    assert written.card["training"] == "kept"
    assert written.card["most_false_alarms"] == 0.1
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [(line[0].strip("| "), line[1]) for line in lines] == [
        (name, attack)
        for name in ("kind", "other")
        for attack in ("–", "bicubic-x2")  # noqa: RUF001
    ]
    assert "test" not in written.card
    scripts.run(script, monkeypatch, *words, "--split", "test")
    card = load_detector(tmp_path / "expert", device="cpu").card
    assert [row["faces"] for row in card["test"]["figures"]] == [2] * 4
    with pytest.raises(SystemExit):
        scripts.run(script, monkeypatch, *words, "--split", "test", "--most", "0.1")


def test_fakes_of_other_sets_do_not_count():
    labels, logits = np.array([0, 1, 0]), np.array([1.0, 2.0, 3.0])
    kept, left = scripts.load("expert").reals((labels, logits))
    assert kept.tolist() == [0, 0]
    assert left.tolist() == [1.0, 3.0]
