"""The attack pool: how often each degradation is drawn, and its effect on a face."""

import numpy as np
import pytest
import torch

from demagnify.hardening.attack_pool import AttackedFace, AttackPool
from demagnify.hardening.degrader import Degrader, registered
from demagnify.hardening.delivery import Delivery, magnified, resize
from demagnify.transforms import create


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def face():
    return rng(3).uniform(0, 255, (150, 140, 3)).astype(np.float32)


def test_families_are_drawn_uniformly_and_degradations_within_them():
    kinds = registered(["blurred", "crisp", "noisy"])
    others = {"other": kinds["blurred"]}
    pool = AttackPool((kinds, others))
    assert pool.names == ("blurred", "crisp", "noisy", "other")
    counts = np.bincount(pool.draw(rng(), 6000), minlength=5) / 6000
    assert counts == pytest.approx([0, 1 / 6, 1 / 6, 1 / 6, 1 / 2], abs=0.03)


def test_a_degradation_as_an_object_is_drawn_as_under_its_name(face):
    image = torch.from_numpy(face.astype(np.uint8)).permute(2, 0, 1)[None]
    one, index = np.ones(1, np.int64), np.zeros(1, np.int64)
    by_name = Degrader(["painted"], seed=4)(image, one, index, epoch=2)
    given = Degrader(registered(["painted"]), seed=4)(image, one, index, epoch=2)
    assert torch.equal(by_name, given)
    assert not torch.equal(given, image)


def test_a_delivered_face_keeps_its_shape_and_is_sometimes_smaller_inside(face):
    seen = []

    def spy(pixels, _rng):
        seen.append(pixels.shape[:2])
        return 255 - pixels

    for seed in range(60):
        result = Delivery(spy)(face, rng(seed))
        assert result.shape == face.shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
    sizes = set(seen)
    assert (150, 140) in sizes
    assert 0.2 < np.mean([size != (150, 140) for size in seen]) < 0.6
    assert min(width for _, width in sizes) >= 64
    same = Delivery(spy)(face, rng(5))
    assert np.array_equal(same, Delivery(spy)(face, rng(5)))


def test_faces_are_shrunk_before_they_are_enlarged(face):
    fed = []

    def enlarge(small):
        fed.append(small.shape[:2])
        return resize(small, 2 * small.shape[1], 2 * small.shape[0])

    for seed in range(40):
        assert magnified(face, enlarge, 2, rng(seed)).shape == face.shape
    assert (75, 70) in fed
    assert 0.1 < np.mean([size != (75, 70) for size in fed]) < 0.6
    assert min(min(size) for size in fed) >= 8


def test_an_attack_as_a_degradation_does_what_the_attack_does(face):
    attack = create("bicubic-x2", device="cpu")
    whole = np.rint(face)
    image = torch.from_numpy(whole.astype(np.uint8)).permute(2, 0, 1)[None]
    expected = attack(image)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(AttackedFace(attack)(whole, rng()), expected.astype(np.float32))
