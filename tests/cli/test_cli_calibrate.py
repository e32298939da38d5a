"""`demagnify calibrate`, as it is typed."""

import pytest

from tiny_faces import write_faces


@pytest.fixture
def faces(tmp_path):
    return write_faces(tmp_path / "faces", counts={"val": 5})


def test_faces_too_few_for_any_verdict_are_refused_and_nothing_is_written(run, faces, tmp_path):
    asked = ("calibrate", tmp_path / "out", "--data", faces, "--defense", "light")
    asked = (*asked, "--attack", "bicubic-x2", "--test-split", "none", "--device", "cpu")
    ended = run(*asked)
    assert (ended.code, len(ended.complaints)) == (1, 1)
    assert "5 real and 5 fake groups every verdict would be unsure; at least 99 real" in ended.err
    assert not (tmp_path / "out").exists()
    ended = run(*asked, "--target-fnr", 0.2)
    assert ended.code == 0, ended.err
    assert "fake: never (5 real groups are too few for 1.0%); real: logit up to" in ended.out


def test_an_answer_with_too_few_faces_is_named(run, tmp_path):
    faces = write_faces(tmp_path / "faces", counts={"val": 19})
    asked = ("calibrate", tmp_path / "out", "--data", faces, "--defense", "light")
    asked = (*asked, "--attack", "bicubic-x2", "--test-split", "none", "--target-fpr", 0.05)
    ended = run(*asked, "--device", "cpu")
    assert ended.code == 0, ended.err
    assert "fake groups are too few; as for any" in ended.out
    ended = run(*asked, "--device", "cpu", "--no-by-enhancement")
    assert ended.code == 0, ended.err
    assert "as for any" not in ended.out
