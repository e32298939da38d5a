"""Degradations change what they should, stay images, and depend on nothing but their rng."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from demagnify.core.errors import ImageContractError, UnknownNameError
from demagnify.core.rng import generator
from demagnify.transforms import DEGRADATIONS, TransformSet

NAMES = list(DEGRADATIONS)
ALL = TransformSet.create(["identity", *NAMES])


def faces(count, size=48):
    """Smooth blobs with edges and grain, so that every filter finds something to change."""
    rng = np.random.default_rng(5)
    grid = np.linspace(0, 6, size)
    waves = np.sin(grid[:, None] * grid[None, :])[None, None] * 90 + 128
    pixels = waves + rng.normal(0, 12, (count, 3, size, size))
    pixels[:, :, size // 3 : size // 2, size // 4 :] = 30
    return torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))


def sharpness(images):
    return float(images.float().diff(dim=3).abs().mean())


def degrade(kinds, images, numbers, indices, *, seed, epoch):
    rngs = [
        generator(seed, "degradation", epoch, int(index), int(number))
        for index, number in zip(indices, numbers, strict=True)
    ]
    return kinds.apply(images, torch.from_numpy(numbers), rngs=rngs)


def degraded(name, images, *, seed=0, epoch=0):
    count = len(images)
    one = TransformSet.create(["identity", name])
    ones = np.ones(count, np.int64)
    return degrade(one, images, ones, np.arange(count), seed=seed, epoch=epoch)


@pytest.mark.parametrize("name", NAMES)
def test_every_degradation_changes_a_face_and_keeps_it_recognisable(name):
    images = faces(6)
    changed = degraded(name, images)
    assert changed.dtype == torch.uint8
    assert changed.shape == images.shape
    differences = (changed.float() - images.float()).abs().flatten(1).mean(dim=1)
    assert (differences > 0.3).all()
    assert differences.mean() < 45
    correlation = np.corrcoef(changed.flatten().numpy(), images.flatten().numpy())[0, 1]
    assert correlation > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_another_epoch_draws_other_settings_and_the_same_one_the_same(name):
    images = faces(3)
    assert torch.equal(degraded(name, images), degraded(name, images))
    assert not torch.equal(degraded(name, images), degraded(name, images, epoch=1))
    assert not torch.equal(degraded(name, images), degraded(name, images, seed=1))


def test_the_batch_does_not_matter():
    images = faces(9)
    numbers = np.arange(9) % (len(NAMES) + 1)
    indices = np.arange(100, 109)
    together = degrade(ALL, images, numbers, indices, seed=0, epoch=2)
    alone = [
        degrade(ALL, images[i : i + 1], numbers[i : i + 1], indices[i : i + 1], seed=0, epoch=2)
        for i in range(9)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_number_zero_leaves_a_face_and_the_input_is_never_written_to():
    images = faces(4)
    before = images.clone()
    result = degrade(ALL, images, np.array([0, 1, 0, 3]), np.arange(4), seed=0, epoch=0)
    assert torch.equal(images, before)
    assert torch.equal(result[[0, 2]], images[[0, 2]])
    assert not torch.equal(result[[1, 3]], images[[1, 3]])


def test_sharpening_raises_and_blurring_lowers_local_contrast():
    images = faces(8)
    assert sharpness(degraded("crisp", images)) > 1.05 * sharpness(images)
    assert sharpness(degraded("blurred", images)) < 0.9 * sharpness(images)
    assert sharpness(degraded("resampled", images)) < 0.9 * sharpness(images)


def test_back_projection_comes_closer_than_resampling():
    images = faces(16)
    lost = [
        (degraded(name, images).float() - images.float()).abs().mean()
        for name in ("back-projected", "resampled")
    ]
    assert lost[0] < lost[1]


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(8, 70),
    width=st.integers(8, 70),
    number=st.integers(1, len(NAMES)),
    epoch=st.integers(0, 1000),
    value=st.integers(0, 255),
)
def test_any_size_and_flat_images_survive(height, width, number, epoch, value):
    images = torch.full((1, 3, height, width), value, dtype=torch.uint8)
    result = degrade(ALL, images, np.array([number]), np.array([7]), seed=0, epoch=epoch)
    assert result.shape == images.shape


def test_unknown_names_and_other_layouts_are_refused():
    with pytest.raises(UnknownNameError, match="blured"):
        TransformSet.create(["identity", "blured"])
    wrong = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    with pytest.raises(ImageContractError):
        degrade(ALL, wrong, np.ones(2, np.int64), np.arange(2), seed=0, epoch=0)
