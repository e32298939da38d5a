"""What holds for every registered action."""

from __future__ import annotations

import pytest
import torch

from demagnify import actions
from demagnify.actions import ACTIONS, LEAVE, ActionSet


@pytest.fixture(name="images")
def photo_like():
    """Smooth shapes with some noise, so that no action can leave them unchanged."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.rand(6, 3, 8, 8, generator=random) * 200
    smooth = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")
    grain = torch.randn(6, 3, 64, 64, generator=random) * 6
    return (smooth + grain + 20).clamp(1, 255).to(torch.uint8)


@pytest.mark.parametrize("name", actions.names())
def test_shape_dtype_and_input_are_kept(name, images):
    before = images.clone()
    result = ACTIONS.get(name)()(images)
    assert result.shape == images.shape
    assert result.dtype == torch.uint8
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", actions.names())
def test_only_leave_leaves_pixels_alone(name, images):
    changed = (ACTIONS.get(name)()(images) != images).flatten(1).any(dim=1)
    assert bool(changed.all()) == (name != LEAVE)


@pytest.mark.parametrize("name", actions.names())
def test_a_batch_is_its_images_one_by_one(name, images):
    action = ACTIONS.get(name)()
    single = torch.cat([action(images[index : index + 1]) for index in range(len(images))])
    assert torch.equal(action(images), single)


@pytest.mark.parametrize("name", actions.names())
def test_the_same_again_gives_the_same_bits(name, images):
    assert torch.equal(ACTIONS.get(name)()(images), ACTIONS.get(name)()(images))


@pytest.mark.parametrize("name", actions.names())
def test_memory_layout_does_not_matter(name, images):
    strided = images.to(memory_format=torch.channels_last)
    action = ACTIONS.get(name)()
    assert torch.equal(action(strided), action(images))


def test_leave_is_number_zero_of_every_set():
    assert ActionSet.create(actions.names())[0].name == LEAVE
