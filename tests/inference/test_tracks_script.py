"""`benchmarks/tracks.py`: error rates of the verdict on a face in a clip, from stored frames."""

import numpy as np

import scripts
from tiny_faces import write_faces


def test_each_condition_has_a_line_for_one_frame_and_for_all(monkeypatch, tmp_path, capsys):
    script = scripts.load("tracks")
    monkeypatch.setattr(script, "LEAST_FRAMES", 1)
    faces = write_faces(tmp_path / "toys", counts={"train": 1, "val": 3, "test": 1})
    scripts.run(script, monkeypatch, faces, "--size", "64", "--attack", "jpeg-50")
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [row[0] for row in rows] == ["| none", "| none", "| jpeg-50", "| jpeg-50"]
    assert [row[1] for row in rows] == ["one", "all"] * 2
    assert rows[0][4].endswith("n = 6 |")


def test_the_frames_of_a_group_and_class_are_a_clip():
    script = scripts.load("tracks")
    groups, labels = np.array(["b", "a", "b", "b"]), np.array([0, 1, 0, 1])
    assert [rows.tolist() for rows in script.clips_of(groups, labels)] == [[1], [0, 2], [3]]


def test_a_clip_is_unsure_where_its_frames_disagree():
    script = scripts.load("tracks")
    assert script.verdict(np.array([3.0, 2.0, -1.0, 1.0])) == "fake"
    assert script.verdict(np.array([-3.0, -2.0, -1.0, 1.0])) == "real"
    assert script.verdict(np.array([5.0, -1.0, 1.0])) == "unsure"  # 67 % agree
