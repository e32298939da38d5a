"""What holds for every registered transform without a network, at several settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demagnify.core.errors import ImageContractError
from demagnify.transforms import CORRECTIONS, DEGRADATIONS, TRANSFORMS, TransformSet, create, names
from demagnify.transforms.networks import PublishedNetwork

LOCAL = [name for name in TRANSFORMS if not isinstance(TRANSFORMS.get(name), PublishedNetwork)]
SPECS = sorted({*LOCAL, *CORRECTIONS, "bicubic-x3", "filters-painted", "flip+noisy"})
"""Published networks run in test_contract_attacks.py."""


@pytest.fixture(name="images")
def photo_like():
    """Smooth shapes with some noise, so that no transform can leave them unchanged."""
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
    transform = create(name)
    changed = (transform(images) != images).flatten(1).any(dim=1)
    assert bool(changed.all()) == (not transform.is_identity)
    assert bool(changed.any()) == (not transform.is_identity)


@pytest.mark.parametrize("name", SPECS)
def test_gradients_flow_where_a_transform_says_so(name, images):
    transform = create(name)
    floats = (images.float() / 255).requires_grad_()
    if not transform.differentiable:
        with pytest.raises(NotImplementedError, match="no gradients"):
            transform.apply_float(floats)
        return
    result = transform.apply_float(floats)
    error = (result.detach() * 255 - transform(images).float()).abs()
    assert error.mean() < 1.5
    assert error.max() <= 8.0
    result.sum().backward()
    assert floats.grad is not None
    assert floats.grad.isfinite().all()
    assert (floats.grad != 0).any()


@pytest.mark.parametrize("name", [*DEGRADATIONS, "flip+noisy"])
def test_a_generator_decides_what_is_drawn(name, images):
    transform = create(name)
    assert transform.random

    def drawn(seed):
        return transform(images, rngs=[np.random.default_rng(seed + n) for n in range(len(images))])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    with pytest.raises(ValueError, match="as many generators"):
        transform(images, rngs=[np.random.default_rng(0)])


def test_fingerprints_tell_transforms_apart():
    prints = [create(name).fingerprint() for name in SPECS]
    distinct = {create(name).spec for name in SPECS}
    assert len(set(prints)) == len(distinct)


@pytest.mark.parametrize("name", SPECS)
def test_an_empty_batch_comes_back_empty(name):
    assert create(name)(torch.zeros(0, 3, 32, 32, dtype=torch.uint8)).shape == (0, 3, 32, 32)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(1, 3, 64, 64),
        torch.zeros(3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 64, 64, 3, dtype=torch.uint8),
        torch.zeros(1, 1, 64, 64, dtype=torch.uint8),
        [[0]],
    ],
    ids=["float", "one image", "channels last", "grey", "list"],
)
@pytest.mark.parametrize("name", SPECS)
def test_anything_but_an_image_batch_is_refused(name, wrong):
    with pytest.raises(ImageContractError):
        create(name)(wrong)


@pytest.mark.parametrize("name", SPECS)
def test_names_and_specs_make_the_same_transform_again(name):
    transform = create(name)
    assert create(transform.name) == create(transform.spec) == transform
    assert repr(create(transform.spec)) == repr(transform)


@pytest.mark.parametrize("name", SPECS)
def test_a_batch_is_its_images_one_by_one(name, images):
    transform = create(name)
    single = torch.cat([transform(images[index : index + 1]) for index in range(len(images))])
    assert torch.equal(transform(images), single)


@pytest.mark.parametrize("name", SPECS)
def test_the_same_again_gives_the_same_bits(name, images):
    assert torch.equal(create(name)(images), create(name)(images))


@pytest.mark.parametrize("name", SPECS)
def test_memory_layout_does_not_matter(name, images):
    strided = images.to(memory_format=torch.channels_last)
    transform = create(name)
    assert torch.equal(transform(strided), transform(images))


@pytest.mark.parametrize("size", [(8, 8), (33, 47), (128, 96)])
@pytest.mark.parametrize("name", SPECS)
def test_other_sizes_work_too(name, size):
    if size == (8, 8) and name.startswith(("bicubic", "filters")):
        pytest.skip("an attack needs room to shrink")
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    assert create(name)(images).shape == images.shape


def test_every_registered_correction_is_in_the_catalogue():
    assert set(names("correction")) <= {create(spec).family for spec in CORRECTIONS}
    assert set(names("degradation")) == set(DEGRADATIONS)


def test_the_catalogue_makes_one_set():
    assert len(TransformSet.create(CORRECTIONS)) == len(CORRECTIONS)
