"""Attacked face sets: computed once, resumed after a kill, never mixed up."""

import json
import resource
import signal

import numpy as np
import pytest
import torch

from demagnify.core.errors import BadOutputError, DemagnifyWarning
from demagnify.data.dataset import FaceDataset
from demagnify.laundering import attacked_faces as attacked_module
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.transforms import create
from demagnify.transforms.base import Identity, Transform
from demagnify.transforms.resize import Bicubic
from fresh_process import ended, start


class Inverting(Transform):
    """Counts what it is asked for, and stops after a number of batches."""

    def __init__(self, name: str = "inverting", stop_after: int = 1000) -> None:
        self.label = name
        self.counts: list[int] = []
        self.stop_after = stop_after

    @property
    def name(self):
        return self.label

    def apply(self, images, rngs=()):
        if len(self.counts) == self.stop_after:
            raise KeyboardInterrupt
        self.counts.append(len(images))
        return 255 - images

    def fingerprint(self) -> str:
        return self.name


@pytest.fixture
def faces():
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16), dtype=np.uint8)
    return FaceDataset.from_arrays(images, [0, 1, 0, 1, 0, 1, 1], groups=list("aabbccd"))


def test_faces_are_attacked_once_and_keep_their_labels(faces, tmp_path):
    attack = Inverting()
    first = attacked_faces(faces, attack, cache=tmp_path / "cache", batch_size=3)
    again = attacked_faces(faces, attack, cache=tmp_path / "cache", batch_size=3)
    assert attack.counts == [3, 3, 1]
    for result in (first, again):
        np.testing.assert_array_equal(result.images, 255 - faces.images)
        np.testing.assert_array_equal(result.labels, faces.labels)
        np.testing.assert_array_equal(result.groups, faces.groups)


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_stopped_run_continues(faces, tmp_path, stop_after):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=stop_after), cache=tmp_path, batch_size=3)
    attack = Inverting()
    result = attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    assert attack.counts == [3, 3, 1][stop_after:]
    np.testing.assert_array_equal(result.images, 255 - faces.images)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".lock", ".json"}


def test_half_a_batch_on_disk_is_done_again(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=2), cache=tmp_path, batch_size=3)
    (unfinished,) = tmp_path.glob("*.npy")
    with unfinished.open("ab") as file:
        file.write(bytes(1000))
    attack = Inverting()
    result = attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    assert attack.counts == [1]
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_a_damaged_beginning_is_done_again(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=2), cache=tmp_path, batch_size=3)
    (unfinished,) = tmp_path.glob("*.npy")
    unfinished.write_bytes(b"no header")
    with pytest.warns(DemagnifyWarning):
        result = attacked_faces(faces, Inverting(), cache=tmp_path, batch_size=3)
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_other_faces_and_other_attacks_are_cached_apart(faces, tmp_path):
    other = faces.with_images(255 - faces.images)
    for group in (faces, other):
        for name in ("one", "two"):
            attack = Inverting(name)
            attacked_faces(group, attack, cache=tmp_path)
            assert attack.counts == [7]
    assert len(list(tmp_path.glob("*.npy"))) == 4


def test_a_note_names_the_content(faces, tmp_path):
    attack = create("bicubic-x2")
    attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    (note,) = tmp_path.glob("*.json")
    content = json.loads(note.read_text())
    assert content["attack"] == "bicubic-x2"
    assert content["fingerprint"] == attack.fingerprint()
    assert (content["rows"], content["row"][0], content["batch_size"]) == (7, [3, 16, 16], 3)


@pytest.mark.parametrize("damage", [b"", None])
def test_damaged_cached_faces_are_computed_again_with_a_line(faces, tmp_path, damage):
    attacked_faces(faces, Inverting(), cache=tmp_path)
    (cached,) = tmp_path.glob("*.npy")
    whole = cached.read_bytes()
    cached.write_bytes(damage if damage is not None else whole[:-5] + bytes(5))
    with pytest.warns(DemagnifyWarning, match="is damaged; its faces are computed again"):
        result = attacked_faces(faces, Inverting(), cache=tmp_path)
    np.testing.assert_array_equal(result.images, 255 - faces.images)
    assert cached.read_bytes() == whole


def test_cached_faces_that_were_cut_off_are_computed_again(faces, tmp_path):
    attacked_faces(faces, Inverting(), cache=tmp_path)
    (cached,) = tmp_path.glob("*.npy")
    cached.write_bytes(cached.read_bytes()[:-5])
    with pytest.warns(DemagnifyWarning):
        result = attacked_faces(faces, Inverting(), cache=tmp_path)
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_a_full_disk_is_named_and_finished_batches_stay(faces, tmp_path):
    attack = Inverting(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    (unfinished,) = tmp_path.glob("*.npy")
    room = unfinished.stat().st_size + 100
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        with pytest.raises(BadOutputError, match="finished rows are kept"):
            attacked_faces(faces, Inverting(), cache=tmp_path, batch_size=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    last = Inverting()
    result = attacked_faces(faces, last, cache=tmp_path, batch_size=3)
    assert last.counts == [3, 1]
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_a_killed_process_loses_at_most_a_batch(tmp_path):
    script = """
import os, signal, sys
import numpy as np
from pathlib import Path
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.transforms.resize import Bicubic
from demagnify.data.dataset import FaceDataset

class Killed(Bicubic):
    calls = 0
    def apply(self, images, rngs=()):
        Killed.calls += 1
        if Killed.calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().apply(images)

images = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16), dtype=np.uint8)
faces = FaceDataset.from_arrays(images, [0, 1] * 3 + [1])
attacked_faces(faces, Killed(2), cache=Path(sys.argv[1]), batch_size=2)
"""
    assert ended(start(script, tmp_path)) == -signal.SIGKILL
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16), dtype=np.uint8)
    faces = FaceDataset.from_arrays(images, [0, 1] * 3 + [1])
    counts = []

    class Counting(Bicubic):
        def apply(self, images, rngs=()):
            counts.append(len(images))
            return super().apply(images)

    result = attacked_faces(faces, Counting(2), cache=tmp_path, batch_size=2)
    assert counts == [2, 1], "four faces were done before the kill"
    assert torch.equal(result.batch(range(7)), Bicubic(2)(faces.batch(range(7))))


def test_large_sets_stay_on_disk(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(attacked_module, "MEMORY_LIMIT", 0)
    result = attacked_faces(faces, Inverting(), cache=tmp_path)
    assert isinstance(result.images, np.memmap)
    assert torch.equal(result.batch([2, 0]), 255 - faces.batch([2, 0]))


def test_no_attack_and_no_faces_cost_nothing(faces, tmp_path):
    assert attacked_faces(faces, Identity(), cache=tmp_path) is faces
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_named(faces, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadOutputError, match="cache"):
        attacked_faces(faces, Bicubic(2), cache=tmp_path / "file" / "cache")
