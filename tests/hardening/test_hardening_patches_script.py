"""`benchmarks/patches.py`: a training on crops, whose mean is the verdict on the whole face."""

import numpy as np

import scripts
from demagnify import load_detector
from tiny_faces import write_faces


def test_it_tells_the_auc_of_whole_faces(tmp_path, monkeypatch, capsys):
    folder = write_faces(tmp_path / "toys", counts={"train": 16, "val": 4, "test": 1})
    script = scripts.load("patches")
    words = [folder, "--size", "64", "--crop", "32", "--stages", "1", "--epochs", "1"]
    scripts.run(script, monkeypatch, *words, "--weights", "none")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("pass 1: loss 0.")
    assert all(name in line for name in ("clean", "JPEG 85", "bicubic x2"))
    assert line.endswith("(n = 8)")


def test_a_crop_is_a_part_of_the_face_at_its_own_size():
    script = scripts.load("patches")
    face = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    script.OFTEN = 0.0
    crop = script.augmented(face, 16, np.random.default_rng(1))
    places = [
        np.array_equal(part[top : top + 16, left : left + 16], crop)
        for part in (face, face[:, ::-1])
        for top in range(33)
        for left in range(33)
    ]
    assert sum(places) == 1


def test_laundering_leaves_a_crop_of_the_same_size_and_draws_it_again():
    script = scripts.load("patches")
    face = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    pool = script.laundering(None)
    first, again, other = (
        script.augmented(face, 48, np.random.default_rng(seed), pool, 1.0) for seed in (1, 1, 2)
    )
    assert first.shape == (48, 48, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_share_of_a_batch_are_real_faces_of_other_sets_and_half_of_the_rest_are_fakes():
    script = scripts.load("patches")
    faces = np.arange(8, dtype=np.uint8).repeat(12).reshape(8, 2, 2, 3)
    others = [np.full((3, 2, 2, 3), 100, np.uint8), np.full((9, 2, 2, 3), 200, np.uint8)]
    labels = np.array([0, 1] * 4)
    drawn, found = script.drawn(faces, labels, others, np.random.default_rng(0), 0.25)
    kinds = np.array([face[0, 0, 0] for face in drawn])
    assert found.sum() == script.BATCH * 3 // 8
    assert (kinds >= 100).sum() == script.BATCH // 4
    assert set(kinds[found == 1]) <= {1, 3, 5, 7}
    assert {100, 200} <= set(kinds[found == 0])


def test_a_detector_is_written_that_everything_loads(tmp_path, monkeypatch):
    folder = write_faces(tmp_path / "toys", counts={"train": 16, "val": 4, "test": 1})
    script = scripts.load("patches")
    words = [folder, "--real", folder, "--output", tmp_path / "expert", "--launder", "0.5"]
    words += ["--size", "64", "--crop", "32", "--stages", "1", "--epochs", "1"]
    scripts.run(script, monkeypatch, *words, "--weights", "none")
    expert = load_detector(tmp_path / "expert", device="cpu")
    assert expert.backbone == "tf_efficientnet_lite0:1"
    assert expert.input_size == 64
    assert expert.card["training"]["launder"] == "0.5"
