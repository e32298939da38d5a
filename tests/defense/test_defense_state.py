"""What the agent sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demagnify.actions.filters import DownUp
from demagnify.data.faces import Faces
from demagnify.defense import state
from demagnify.defense.state import STATES, FaceStates, FlatImage, Spectrum, Thumbnail
from demagnify.errors import ImageContractError


def noise(count=6, size=64):
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=random, dtype=torch.uint8)


@pytest.mark.parametrize("name", list(STATES))
def test_states_have_the_size_they_announce_and_stay_in_bounds(name):
    encoder = STATES.get(name)()
    for size in (32, 33, 64):
        states = encoder(noise(size=size))
        assert states.shape == (6, encoder.size(size))
        assert states.dtype == torch.float32
        assert torch.isfinite(states).all()
        assert encoder.low <= states.min() <= states.max() <= encoder.high


@pytest.mark.parametrize("name", list(STATES))
def test_a_batch_is_its_images_one_by_one(name):
    encoder, images = STATES.get(name)(), noise()
    single = torch.cat([encoder(image[None]) for image in images])
    torch.testing.assert_close(encoder(images), single, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", list(STATES))
def test_flat_grey_black_and_white_images_give_finite_states(name):
    encoder = STATES.get(name)()
    for grey in (0, 128, 255):
        images = torch.full((1, 3, 64, 64), grey, dtype=torch.uint8)
        assert torch.isfinite(encoder(images)).all()


@pytest.mark.parametrize("name", list(STATES))
def test_no_images_no_states(name):
    encoder = STATES.get(name)()
    assert encoder(torch.zeros(0, 3, 64, 64, dtype=torch.uint8)).shape == (0, encoder.size(64))


@pytest.mark.parametrize("name", list(STATES))
def test_what_is_no_image_batch_is_refused(name):
    with pytest.raises(ImageContractError):
        STATES.get(name)()(torch.zeros(2, 3, 8, 8))


def test_the_papers_state_has_150528_numbers_channel_by_channel():
    images = noise(1, 224)
    states = FlatImage()(images)
    assert states.shape == (1, 150_528)
    assert states[0, 224 * 224 + 3] == images[0, 1, 0, 3].float() / 255


def test_the_thumbnail_averages_areas():
    images = noise(1, 64)
    small = Thumbnail(side=32)(images).view(3, 32, 32)
    assert small[2, 5, 7] == pytest.approx(images[0, 2, 10:12, 14:16].float().mean() / 255)


def test_the_spectrum_sees_what_resampling_takes_away():
    images = noise(4, 64)
    before, after = Spectrum()(images), Spectrum()(DownUp()(images))
    fine, coarse = slice(40, 60), slice(1, 8)
    assert (after[:, fine] < before[:, fine] - 1).all()
    assert (after[:, coarse] - before[:, coarse]).abs().mean() < 1
    right_neighbour = slice(64 + 9, 64 + 12)
    assert (after[:, right_neighbour] > before[:, right_neighbour] + 0.1).all()


def test_rings_average_the_whole_spectrum():
    values = torch.rand(1, 16, 16)
    window, averages = state._rings(16, 16, 8, torch.device("cpu"))
    full = torch.fft.fft2(values * window, norm="ortho").abs().square()[0]
    radius = torch.fft.fftfreq(16)[:, None].square() + torch.fft.fftfreq(16)[None, :].square()
    ring = (radius.sqrt() / 0.5**0.5 * 8).long().clamp(max=7)
    half = torch.fft.rfft2(values * window, norm="ortho").abs().square().flatten(1)
    for number in range(8):
        expected = full[ring == number].mean()
        assert float((half @ averages)[0, number]) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("limit", [0, 2**30])
def test_states_of_faces_are_the_same_kept_or_not(limit, monkeypatch):
    monkeypatch.setattr(state, "KEEP_BELOW_BYTES", limit)
    images = noise(70, 32)
    faces = Faces.from_arrays(images, [0, 1] * 35)
    states = FaceStates(faces, Thumbnail(side=8), torch.device("cpu"))
    chosen = np.array([69, 3, 3])
    assert torch.equal(states(chosen), Thumbnail(side=8)(images[chosen]))
    mean, deviation = states.moments()
    everything = Thumbnail(side=8)(images)
    torch.testing.assert_close(mean, everything.mean(0))
    torch.testing.assert_close(deviation, everything.std(0, correction=0), rtol=1e-4, atol=1e-5)
