"""Swaps and self-blends: what changes, what does not, and by what."""

import numpy as np
import pytest
from drawn_faces import draw_face

from demagnify.core import images
from demagnify.data.sample import fakes
from demagnify.data.sample.fakes import self_blend, swap_face


def swapped(blend, seed=0, donor_seed=2):
    target, target_marks = draw_face(1)
    donor, donor_marks = draw_face(donor_seed)
    rng = np.random.default_rng(seed)
    fake, mask = swap_face(target, target_marks, donor, donor_marks, blend=blend, rng=rng)
    return target, fake, mask


def blended(seed=0):
    target, marks = draw_face(1)
    return target, *self_blend(target, marks, rng=np.random.default_rng(seed))


MAKERS = {
    "feather": lambda seed: swapped("feather", seed),
    "poisson": lambda seed: swapped("poisson", seed),
    "self-blend": blended,
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
class TestEveryFake:
    def test_is_the_photograph_outside_the_mask(self, make, seed):
        target, fake, mask = make(seed)
        images.check_pixels(fake)
        assert fake.shape == target.shape
        assert np.array_equal(fake[mask == 0], target[mask == 0])
        assert 0.1 < (mask > 0).mean() < 0.6

    def test_differs_inside_the_mask(self, make, seed):
        target, fake, mask = make(seed)
        assert (fake != target).any(axis=2)[mask > 0.3].mean() > 0.5

    def test_is_the_same_from_the_same_generator(self, make, seed):
        assert np.array_equal(make(seed)[1], make(seed)[1])
        assert not np.array_equal(make(seed)[1], make(seed + 100)[1])

    def test_has_no_edge_where_the_mask_begins(self, make, seed):
        target, fake, mask = make(seed)
        rim = (mask > 0) & (mask < 0.02)
        assert np.abs(fake.astype(int) - target)[rim].max() <= 6

    def test_keeps_its_colours_near_those_of_the_photograph(self, make, seed):
        target, fake, mask = make(seed)
        inside = mask > 0.5 * mask.max()
        difference = fake[inside].mean(axis=0) - target[inside].mean(axis=0)
        assert np.abs(difference).max() < 25


@pytest.mark.parametrize("blend", ["feather", "poisson"])
def test_the_donors_features_arrive_on_the_targets_landmarks(blend):
    target, target_marks = draw_face(1)
    donor, donor_marks = draw_face(2, width=300, height=260)
    x, y = np.rint(donor_marks[2]).astype(int)
    donor[y - 6 : y + 7, x - 6 : x + 7] = (255, 0, 0)
    rng = np.random.default_rng(0)
    fake, _ = swap_face(target, target_marks, donor, donor_marks, blend=blend, rng=rng)
    redder = fake.astype(int)[..., 0] - fake.astype(int)[..., 1:].max(axis=2)
    rows, columns = np.nonzero(redder > redder.max() / 2)
    assert np.hypot(columns.mean() - target_marks[2, 0], rows.mean() - target_marks[2, 1]) < 3


def test_nothing_is_taken_from_beyond_the_donors_photograph():
    target, target_marks = draw_face(1)
    donor, donor_marks = draw_face(2)
    cut = round(donor_marks[4, 1])
    rng = np.random.default_rng(0)
    _, mask = swap_face(target, target_marks, donor[:cut], donor_marks, blend="feather", rng=rng)
    assert not mask[round(target_marks[4, 1]) + 3 :].any()
    assert mask.any()


def test_colours_are_matched_inside_the_mask():
    rng = np.random.default_rng(0)
    source = np.clip(rng.normal((180, 90, 60), 20, (60, 60, 3)), 0, 255).astype(np.uint8)
    target = np.clip(rng.normal((90, 120, 150), 25, (60, 60, 3)), 0, 255).astype(np.uint8)
    target[:, 40:] = 255
    mask = np.zeros((60, 60), dtype=np.float32)
    mask[:, :40] = 1
    matched = fakes.match_colours(source, target, mask)
    assert np.abs(matched[:, :40].mean((0, 1)) - target[:, :40].mean((0, 1))).max() < 8
    unchanged = fakes.match_colours(source, target, mask, strength=0.0)
    assert np.abs(unchanged.astype(int) - source).max() <= 1


@pytest.mark.parametrize("width", [1.0, 4.0, 12.0])
def test_a_softened_mask_stays_inside_the_old_one(width):
    mask = np.zeros((80, 80), dtype=np.float32)
    mask[10:70, 10:70] = 1
    soft = fakes.soften(mask, width)
    assert (soft <= mask).all()
    assert soft[40, 40] == pytest.approx(1.0, abs=0.01)
    rising = soft[40, 9:40]
    assert (np.diff(rising) >= -1e-6).all()
    assert ((rising > 0.02) & (rising < 0.98)).sum() == pytest.approx(2 * width, abs=2 + width)


def test_cloning_a_photograph_into_itself_moves_nothing():
    target = draw_face(3)[0]
    for height in (60, 61):
        mask = np.zeros(target.shape[:2], dtype=np.float32)
        mask[80 : 80 + height, 50:121] = 1
        cloned = fakes.clone(target, target, mask)
        assert np.abs(cloned.astype(int) - target).max() <= 2


def test_cloning_at_the_border_or_with_nothing_to_clone_is_fine():
    target, _ = draw_face(3)
    everywhere = np.ones(target.shape[:2], dtype=np.float32)
    assert fakes.clone(target, target, everywhere).shape == target.shape
    assert np.array_equal(fakes.clone(target, target, 0 * everywhere), target)
