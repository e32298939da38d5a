"""`benchmarks/patches.py`: a training on crops, whose mean is the verdict on the whole face."""

import numpy as np
import torch

import scripts
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


def test_a_whole_face_gets_the_mean_of_its_places():
    script = scripts.load("patches")
    network = script.Patches(1, None).eval()
    torch.nn.init.normal_(network.head[1].weight)
    found = script.score(network, np.full((2, 64, 64, 3), 90, dtype=np.uint8))
    assert found.shape == (2,)
    assert found[0] == found[1] != 0
