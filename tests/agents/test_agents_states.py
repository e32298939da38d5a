"""What the agent sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demagnify.agents import states
from demagnify.agents.states import (
    FaceStates,
    FlatImage,
    Residual,
    Spectrum,
    Thumbnail,
    spectrum,
)
from demagnify.core.errors import BadConfigError, UnknownNameError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import wrap
from demagnify.scores import LiveLogits, LogitTable
from demagnify.transforms.resize import DownUp


def noise(count=6, size=64):
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=random, dtype=torch.uint8)


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
    window, averages = spectrum._rings(16, 16, 8, torch.device("cpu"))
    full = torch.fft.fft2(values * window, norm="ortho").abs().square()[0]
    radius = torch.fft.fftfreq(16)[:, None].square() + torch.fft.fftfreq(16)[None, :].square()
    ring = (radius.sqrt() / 0.5**0.5 * 8).long().clamp(max=7)
    half = torch.fft.rfft2(values * window, norm="ortho").abs().square().flatten(1)
    for number in range(8):
        expected = full[ring == number].mean()
        assert float((half @ averages)[0, number]) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("limit", [0, 2**30])
def test_states_of_faces_are_the_same_kept_or_not(limit, monkeypatch):
    monkeypatch.setattr("demagnify.agents.states.base.CACHE_BELOW_BYTES", limit)
    images = noise(70, 32)
    faces = FaceDataset.from_arrays(images, [0, 1] * 35)
    states = FaceStates(faces, Thumbnail(side=8), torch.device("cpu"))
    chosen = np.array([69, 3, 3])
    assert torch.equal(states(chosen), Thumbnail(side=8)(images[chosen]))
    mean, deviation = states.moments()
    everything = Thumbnail(side=8)(images)
    torch.testing.assert_close(mean, everything.mean(0))
    torch.testing.assert_close(deviation, everything.std(0, correction=0), rtol=1e-4, atol=1e-5)


def test_residual_correlations_are_those_of_numpy():
    images = noise(1, 32)
    red, green, blue = images[0].double().numpy()
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    states = Residual()(images)[0].view(3, 2, 3)
    for plane, values in enumerate((luma, blue - luma, red - luma)):
        across = np.diff(values, 2, axis=1)
        down = np.diff(values, 2, axis=0)
        for number, residual in enumerate((across, down, np.diff(across, 2, axis=0))):
            energy = (residual**2).mean()
            right = (residual[:, 1:] * residual[:, :-1]).mean() / energy
            lower = (residual[1:] * residual[:-1]).mean() / energy
            assert float(states[number, 0, plane]) == pytest.approx(right, abs=1e-4)
            assert float(states[number, 1, plane]) == pytest.approx(lower, abs=1e-4)


def test_the_residual_does_not_depend_on_the_strength_of_the_noise():
    grain = noise(2, 64).int() - 128
    weak = (128 + grain // 8).to(torch.uint8)
    strong = (128 + grain // 8 * 4).to(torch.uint8)
    torch.testing.assert_close(Residual()(weak), Residual()(strong), atol=1e-4, rtol=0)
    resampled = Residual()(DownUp()(strong))
    assert (resampled[:, :3] > Residual()(strong)[:, :3] + 0.2).all()


def test_settings_and_parts_stand_in_the_name():
    both = states.create("thumbnail-8+spectrum-32")
    assert both.parts == (Thumbnail(side=8), Spectrum(rings=32))
    assert both.name == "thumbnail-8+spectrum-32"
    assert states.create("thumbnail", {"side": 8}) == Thumbnail(side=8)
    with pytest.raises(UnknownNameError, match="did you mean spectrum"):
        states.create("spektrum+logit")
    with pytest.raises(BadConfigError, match=r"side: .*greater than or equal to 1"):
        states.create("thumbnail-0")
    with pytest.raises(BadConfigError, match="different states"):
        states.create("logit+logit")


def test_only_a_timm_network_shows_its_embedding(detector):
    with pytest.raises(BadConfigError, match="'logit' works with every detector"):
        states.create("embedding").bind(detector)


@pytest.mark.parametrize("kind", [LogitTable, LiveLogits])
def test_states_of_faces_take_the_logits_that_are_known(kind, faces, actions):
    class Counting(torch.nn.Module):
        calls = 0

        def forward(self, images):
            self.calls += len(images)
            return images.float().mean((1, 2, 3))

    network = Counting()
    source = kind(faces, wrap(network, name="counting"), actions)
    everyone = FaceStates(source, states.create("thumbnail-4+logit"), torch.device("cpu"))
    everything = everyone.all()
    torch.testing.assert_close(
        everything[:, -1], faces.batch(np.arange(len(faces))).float().mean((1, 2, 3))
    )
    assert network.calls == len(faces)
    everyone.all()
    assert network.calls == len(faces) * (1 if kind is LogitTable else 2)
