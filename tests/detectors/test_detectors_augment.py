import numpy as np
import pytest
import torch

from demagnify.detectors import augment
from demagnify.detectors.augment import Augmentation

COUNT = 400


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    rng = np.random.default_rng(0)
    coarse = rng.integers(20, 236, (COUNT, 3, 5, 5)).astype(np.float32)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse), (24, 24), mode="bilinear")
    return smooth.round().to(torch.uint8)


def only(monkeypatch, name: str, chance: float = 1.0) -> Augmentation:
    for other in augment._CHANCE:
        monkeypatch.setitem(augment._CHANCE, other, chance if other == name else 0.0)
    return Augmentation(1.0, seed=0, count=COUNT)


def all_of(augmentation: Augmentation, faces: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    return augmentation(faces.clone(), np.arange(COUNT), epoch=epoch)


def test_gives_an_image_batch_of_the_same_shape_without_changing_the_faces(faces):
    before = faces.clone()
    altered = Augmentation(1.0, seed=0, count=COUNT)(faces, np.arange(COUNT), epoch=0)
    assert altered.dtype == torch.uint8
    assert altered.shape == faces.shape
    assert torch.equal(faces, before)
    assert not torch.equal(altered, faces)


def test_what_happens_depends_on_seed_epoch_and_face_alone(faces):
    augmentation = Augmentation(1.0, seed=5, count=COUNT)
    together = all_of(augmentation, faces, epoch=3)
    order = np.random.default_rng(1).permutation(COUNT)[:7]
    apart = Augmentation(1.0, seed=5, count=COUNT)(faces[order], order, epoch=3)
    # Convolutions over another number of images may round the last half level otherwise.
    assert (apart.int() - together[order].int()).abs().max() <= 1
    assert not torch.equal(together, all_of(augmentation, faces, epoch=4))
    assert not torch.equal(together, all_of(Augmentation(1.0, seed=6, count=COUNT), faces, epoch=3))
    assert torch.equal(together, all_of(augmentation, faces, epoch=3))


def test_without_strength_nothing_happens(faces):
    assert torch.equal(all_of(Augmentation(0.0, seed=0, count=COUNT), faces), faces)


def test_strength_scales_how_often(faces):
    def altered(strength: float) -> float:
        result = all_of(Augmentation(strength, seed=0, count=COUNT), faces)
        return (result != faces).flatten(1).any(dim=1).float().mean().item()

    assert 0.1 < altered(0.1) < 0.3
    assert altered(1.0) > 0.8


@pytest.mark.parametrize("name", augment._CHANCE)
def test_every_alteration_happens_as_often_as_its_chance(faces, monkeypatch, name):
    augmentation = only(monkeypatch, name, chance=0.5)
    changed = (all_of(augmentation, faces) != faces).flatten(1).any(dim=1).float().mean()
    assert 0.4 < changed < 0.6


def test_flip_is_exact(faces, monkeypatch):
    assert torch.equal(all_of(only(monkeypatch, "flip"), faces), faces.flip(3))


def test_gray_has_three_equal_channels(faces, monkeypatch):
    gray = all_of(only(monkeypatch, "gray"), faces)
    assert torch.equal(gray[:, 0], gray[:, 1])
    assert torch.equal(gray[:, 0], gray[:, 2])


def test_zoom_shows_a_part_of_the_face(monkeypatch):
    ramp = torch.arange(24, dtype=torch.uint8).mul(10).expand(COUNT, 3, 24, 24)
    zoomed = all_of(only(monkeypatch, "zoom"), ramp).float()
    spread = zoomed[:, 0, 0, -1] - zoomed[:, 0, 0, 0]
    assert 0.75 * 230 < spread.min() < 0.82 * 230
    assert spread.max() <= 230
    assert zoomed[:, 0, 0, 0].max() > 20
    assert zoomed[:, 0, 0, -1].min() < 210


def test_blur_smooths_and_keeps_the_brightness(monkeypatch):
    board = torch.zeros(COUNT, 3, 24, 24, dtype=torch.uint8)
    board[..., ::2, ::2] = 255
    board[..., 1::2, 1::2] = 255
    blurred = all_of(only(monkeypatch, "blur"), board).float()
    contrast = blurred.std(dim=(2, 3))[:, 0]
    assert contrast.min() < 15
    assert contrast.max() > 60
    torch.testing.assert_close(
        blurred[..., 4:-4, 4:-4].mean(), torch.tensor(127.5), atol=2.0, rtol=0
    )


def test_noise_has_its_size_and_no_bias(monkeypatch):
    flat = torch.full((COUNT, 3, 24, 24), 128, dtype=torch.uint8)
    noise = all_of(only(monkeypatch, "noise"), flat).float() - 128
    spread = noise.flatten(1).std(dim=1)
    assert 0.9 < spread.min() < 2
    assert 7 < spread.max() < 9
    assert noise.mean().abs() < 0.05
    assert not torch.equal(noise[0] / spread[0], noise[1] / spread[1])


def test_jpeg_changes_little(faces, monkeypatch):
    difference = all_of(only(monkeypatch, "jpeg"), faces).float() - faces.float()
    assert 0 < difference.abs().mean() < 8


def test_color_keeps_black_and_white_apart(faces, monkeypatch):
    changed = all_of(only(monkeypatch, "color"), faces).float()
    brightness = changed.mean(dim=(1, 2, 3)) - faces.float().mean(dim=(1, 2, 3))
    assert 15 < brightness.abs().max() < 30
    assert brightness.mean().abs() < 4
