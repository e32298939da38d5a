"""The script that trains the shipped enhancement answer and measures it."""

import numpy as np
import pytest

import scripts
from demagnify.hardening.enhancement_features import count
from tiny_faces import write_faces


@pytest.fixture(scope="module")
def script():
    return scripts.load("enhancement")


def test_an_interval_grows_where_faces_share_a_group(script):
    right = np.random.default_rng(0).random((2, 60)) < 0.7
    right[:, :30] = True
    apart, together = (
        script._interval(right, np.arange(60).astype(str)),
        script._interval(right, (np.arange(60) // 30).astype(str)),
    )
    assert apart[:4] == together[:4]
    assert apart != together


def test_faces_are_rebuilt_and_described_once(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "NETWORKS", ("filters-painted",))
    monkeypatch.setattr(script, "SIZES", {"faces": (64, 64, 48)})
    data, faces, features = tmp_path / "data", tmp_path / "kept", tmp_path / "features"
    write_faces(data / "faces", size=64)
    faces.mkdir()
    features.mkdir()
    script.rebuild(data, faces, "faces", "val", None)
    names = sorted(path.name for path in faces.iterdir())
    assert names == [
        f"val_faces_{history}_{network}.npz"
        for history in ("fresh", "stored")
        for network in ("captured", "filters-painted")
    ]
    for path in faces.iterdir():
        script.describe_file(path, features)
    found = np.load(features / "val_faces_fresh_filters-painted_none.npy")
    assert found.shape[1:] == (2, count())
