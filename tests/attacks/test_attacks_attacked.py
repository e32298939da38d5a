"""Attacked face sets: computed once, resumed after a kill, never mixed up."""

import numpy as np
import pytest
import torch

from demagnify.attacks import attacked as attacked_module
from demagnify.attacks.attacked import attacked_faces
from demagnify.attacks.base import Attack
from demagnify.attacks.controls import BicubicAttack, NoAttack
from demagnify.data.faces import Faces
from demagnify.errors import BadOutputError


class Inverting(Attack):
    """Counts what it is asked for, and stops after a number of batches."""

    def __init__(self, name: str = "inverting", stop_after: int = 1000) -> None:
        super().__init__(name)
        self.counts: list[int] = []
        self.stop_after = stop_after

    def run(self, images: torch.Tensor) -> torch.Tensor:
        if len(self.counts) == self.stop_after:
            raise KeyboardInterrupt
        self.counts.append(len(images))
        return 255 - images

    def fingerprint(self) -> str:
        return self.name


@pytest.fixture
def faces():
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 16, 16), dtype=np.uint8)
    return Faces.from_arrays(images, [0, 1, 0, 1, 0, 1, 1], groups=list("aabbccd"))


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
def test_a_stopped_run_goes_on_where_it_was(faces, tmp_path, stop_after):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=stop_after), cache=tmp_path, batch_size=3)
    attack = Inverting()
    result = attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    assert attack.counts == [3, 3, 1][stop_after:]
    np.testing.assert_array_equal(result.images, 255 - faces.images)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".lock"}


def test_half_a_batch_on_disk_is_done_again(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=2), cache=tmp_path, batch_size=3)
    (partial,) = tmp_path.glob("*.partial")
    partial.write_bytes(partial.read_bytes()[:-1000])
    attack = Inverting()
    result = attacked_faces(faces, attack, cache=tmp_path, batch_size=3)
    assert attack.counts == [3, 1]
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_a_damaged_beginning_is_done_again(faces, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        attacked_faces(faces, Inverting(stop_after=2), cache=tmp_path, batch_size=3)
    (partial,) = tmp_path.glob("*.partial")
    partial.write_bytes(b"no header")
    result = attacked_faces(faces, Inverting(), cache=tmp_path, batch_size=3)
    np.testing.assert_array_equal(result.images, 255 - faces.images)


def test_other_faces_and_other_attacks_are_kept_apart(faces, tmp_path):
    other = faces.with_images(255 - faces.images)
    for group in (faces, other):
        for name in ("one", "two"):
            attack = Inverting(name)
            attacked_faces(group, attack, cache=tmp_path)
            assert attack.counts == [7]
    assert len(list(tmp_path.glob("*.npy"))) == 4


def test_large_sets_stay_on_disk(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(attacked_module, "MEMORY_LIMIT", 0)
    result = attacked_faces(faces, Inverting(), cache=tmp_path)
    assert isinstance(result.images, np.memmap)
    assert torch.equal(result.batch([2, 0]), 255 - faces.batch([2, 0]))


def test_no_attack_and_no_faces_cost_nothing(faces, tmp_path):
    assert attacked_faces(faces, NoAttack(), cache=tmp_path) is faces
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_named(faces, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadOutputError, match="cache"):
        attacked_faces(faces, BicubicAttack(2), cache=tmp_path / "file" / "cache")
