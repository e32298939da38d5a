"""What holds for every registered action, at several settings and in compositions."""

from __future__ import annotations

import pytest
import torch

from demagnify.transforms import corrections as actions
from demagnify.transforms.corrections import CATALOGUE, ActionSet, create

SPECS = sorted({*actions.names(), *CATALOGUE})


@pytest.fixture(name="images")
def photo_like():
    """Smooth shapes with some noise, so that no action can leave them unchanged."""
    random = torch.Generator().manual_seed(1)
    coarse = torch.rand(6, 3, 8, 8, generator=random) * 200
    smooth = torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")
    grain = torch.randn(6, 3, 64, 64, generator=random) * 6
    return (smooth + grain + 20).clamp(1, 255).to(torch.uint8)


@pytest.mark.parametrize("name", SPECS)
def test_shape_dtype_and_input_are_kept(name, images):
    before = images.clone()
    result = create(name)(images)
    assert result.shape == images.shape
    assert result.dtype == torch.uint8
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", SPECS)
def test_pixels_are_left_where_it_says_so_and_nowhere_else(name, images):
    action = create(name)
    changed = (action(images) != images).flatten(1).any(dim=1)
    assert bool(changed.all()) == (not action.leaves_pixels)
    assert bool(changed.any()) == (not action.leaves_pixels)


@pytest.mark.parametrize("name", SPECS)
def test_something_is_done_to_image_or_logit(name):
    action = create(name)
    assert (action.shift != 0 or not action.leaves_pixels) == (name != "leave")


@pytest.mark.parametrize("name", SPECS)
def test_names_and_specs_make_the_same_action_again(name):
    action = create(name)
    assert create(action.name) == create(action.spec) == action
    assert repr(create(action.spec)) == repr(action)


@pytest.mark.parametrize("name", SPECS)
def test_a_batch_is_its_images_one_by_one(name, images):
    action = create(name)
    single = torch.cat([action(images[index : index + 1]) for index in range(len(images))])
    assert torch.equal(action(images), single)


@pytest.mark.parametrize("name", SPECS)
def test_the_same_again_gives_the_same_bits(name, images):
    assert torch.equal(create(name)(images), create(name)(images))


@pytest.mark.parametrize("name", SPECS)
def test_memory_layout_does_not_matter(name, images):
    strided = images.to(memory_format=torch.channels_last)
    action = create(name)
    assert torch.equal(action(strided), action(images))


@pytest.mark.parametrize("size", [(8, 8), (33, 47), (128, 96)])
@pytest.mark.parametrize("name", SPECS)
def test_other_sizes_work_too(name, size):
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    assert create(name)(images).shape == images.shape


def test_every_registered_action_is_in_the_catalogue():
    assert set(actions.names()) <= {create(spec).family for spec in CATALOGUE}


def test_leave_is_number_zero_of_every_set():
    assert ActionSet.create(actions.names())[0].name == "leave"
