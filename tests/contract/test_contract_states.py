"""What holds for every registered state, and for several of them side by side."""

from __future__ import annotations

import math

import pytest
import torch
from timm_toy import toy_detector

from demagnify.agents import states
from demagnify.agents.states import STATES
from demagnify.core.errors import BadConfigError, ImageContractError

SPECS = [*STATES, "thumbnail-16", "spectrum+logit", "residual+embedding", "logit+embedding"]


@pytest.fixture(name="detector", scope="module")
def _detector():
    return toy_detector()


@pytest.fixture(name="encoder", params=SPECS)
def _encoder(request, detector):
    return states.create(request.param).bind(detector)


def noise(count=6, size=64):
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=random, dtype=torch.uint8)


def test_states_have_the_size_they_announce_and_stay_in_bounds(encoder):
    for size in (32, 33, 64):
        states = encoder(noise(size=size))
        assert states.shape == (6, encoder.size(size))
        assert states.dtype == torch.float32
        assert torch.isfinite(states).all()
        assert encoder.low <= states.min() <= states.max() <= encoder.high


def test_a_batch_is_its_images_one_by_one(encoder):
    images = noise()
    single = torch.cat([encoder(image[None]) for image in images])
    torch.testing.assert_close(encoder(images), single, rtol=1e-5, atol=1e-5)


def test_the_same_again_gives_the_same_bits_and_leaves_the_images(encoder):
    images = noise()
    before = images.clone()
    assert torch.equal(encoder(images), encoder(images))
    assert torch.equal(images, before)


def test_memory_layout_does_not_matter(encoder):
    images = noise()
    strided = images.to(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder(images), encoder(strided), rtol=1e-5, atol=1e-5)


def test_different_images_have_different_states(encoder):
    states = encoder(noise(2))
    assert not torch.equal(states[0], states[1])


def test_flat_grey_black_and_white_images_give_finite_states(encoder):
    for grey in (0, 128, 255):
        images = torch.full((1, 3, 64, 64), grey, dtype=torch.uint8)
        assert torch.isfinite(encoder(images)).all()


def test_no_images_no_states(encoder):
    assert encoder(torch.zeros(0, 3, 64, 64, dtype=torch.uint8)).shape == (0, encoder.size(64))


def test_what_is_no_image_batch_is_refused(encoder):
    with pytest.raises(ImageContractError):
        encoder(torch.zeros(2, 3, 8, 8))


def test_names_and_specs_make_the_same_state_again(encoder, detector):
    images = noise()
    for text in (encoder.name, encoder.spec):
        again = states.create(text)
        assert again == encoder
        assert repr(again) == repr(encoder)
        assert torch.equal(again.bind(detector)(images), encoder(images))


def test_an_output_that_is_handed_over_spares_the_pass(encoder):
    images, calls = noise(), []
    output = encoder.detector_output(images)
    assert (output is None) == (encoder.needs == "nothing")
    hook = last_layer(encoder).register_forward_hook(lambda *_: calls.append(1))
    states = encoder(images, output)
    assert not calls
    assert torch.equal(states, encoder(images))
    assert len(calls) == (encoder.needs != "nothing")
    hook.remove()


def last_layer(encoder):
    """The last layer of the network behind an encoder; of one that has none, any module."""
    parts = getattr(encoder, "parts", (encoder,))
    bound = [part._detector.network for part in parts if part.needs != "nothing"]
    return bound[0].get_classifier() if bound else torch.nn.Identity()


@pytest.mark.parametrize("spec", ["logit", "embedding", "spectrum+logit"])
def test_a_state_without_its_detector_says_so(spec):
    with pytest.raises(BadConfigError, match=r"needs a detector \(encoder\.bind\(detector\)"):
        states.create(spec)(noise())


def test_bounds_are_numbers():
    for name in STATES:
        encoder = states.create(name)
        assert not math.isnan(encoder.low)
        assert encoder.low < encoder.high
