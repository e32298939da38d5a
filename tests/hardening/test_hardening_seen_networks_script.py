"""`benchmarks/seen_networks.py`: laundered once, then trained on, clean, filtered and laundered."""

import numpy as np
import pytest
import torch

import scripts
from demagnify import FaceDataset, load_detector
from tiny_faces import write_faces


@pytest.fixture
def folder(tmp_path):
    return write_faces(tmp_path / "toys", counts={"train": 4, "val": 2, "test": 1})


def test_the_faces_of_all_sets_are_laundered_once(folder, tmp_path, monkeypatch):
    script = scripts.load("seen_networks")
    sets = [(folder, 32), (folder, 64)]
    arguments = (sets, "train", ["bicubic-x2", "bicubic-x4"], 0, 64, tmp_path / "kept")
    clean, laundered = script.both(*arguments)
    assert len(clean) == len(laundered) == 16
    assert clean.size == laundered.size == 64
    np.testing.assert_array_equal(clean.labels, laundered.labels)
    assert not np.array_equal(clean.images[:], laundered.images[:])
    monkeypatch.setattr(script.AttackPool, "degrade", None)
    np.testing.assert_array_equal(script.both(*arguments)[1].images[:], laundered.images[:])


def test_shares_of_a_pass_stay_clean_or_are_laundered():
    script = scripts.load("seen_networks")
    count = 400
    pixels = np.full((count, 3, 16, 16), 200, dtype=np.uint8)
    laundered = FaceDataset.from_arrays(pixels, [0, 1] * (count // 2))
    images = torch.full((count, 3, 16, 16), 100, dtype=torch.uint8)
    seen = script.Seen(laundered, clean=0.5, filtered=0.0, seed=1)
    changed = seen(images, np.arange(count), epoch=0)
    of_each = {level: (changed == level).all(dim=(1, 2, 3)).sum().item() for level in (100, 200)}
    assert of_each[100] + of_each[200] == count
    assert 150 < of_each[100] < 250
    part = np.array([7, 3])
    torch.testing.assert_close(seen(images[:2], part, epoch=0), changed[part])


def test_it_writes_a_detector_that_names_what_it_saw(folder, tmp_path, monkeypatch):
    script = scripts.load("seen_networks")
    words = ["--data", f"{folder}=32", "--network", "bicubic-x2", "--batch-size", "4"]
    scripts.run(script, monkeypatch, tmp_path / "tuned", *words)
    card = load_detector(tmp_path / "tuned").card
    assert card["seen_attacks"] == ["filters", "bicubic-x2"]
