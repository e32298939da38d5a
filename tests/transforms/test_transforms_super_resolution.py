"""The attack around a network, with networks made here."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.transforms import from_callable
from demagnify.transforms.resize import Bicubic
from demagnify.transforms.super_resolution import attack as attack_module
from demagnify.transforms.super_resolution import magnification
from demagnify.transforms.super_resolution import network as tiling
from demagnify.transforms.super_resolution.network import Network


def bicubic(images: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(
        images, scale_factor=2, mode="bicubic", align_corners=False, antialias=True
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_with_bicubic_for_a_network_it_is_the_bicubic_control():
    images = noise(3, 3, 40, 64)
    attack = from_callable(bicubic, 2, "mine", device="cpu")
    assert torch.equal(attack(images), Bicubic(2)(images))


def test_the_network_sees_the_shrunk_image_in_zero_to_one():
    seen = []

    def network(images: torch.Tensor) -> torch.Tensor:
        seen.append(images.clone())
        return bicubic(images)

    images = torch.full((2, 3, 33, 48), 255, dtype=torch.uint8)
    from_callable(network, 2, "mine", device="cpu")(images)
    assert [tuple(batch.shape) for batch in seen] == [(2, 3, 17, 24)]
    assert seen[0].dtype == torch.float32
    assert torch.equal(seen[0], torch.ones_like(seen[0]))


def test_large_batches_are_computed_in_parts(monkeypatch):
    monkeypatch.setattr(magnification, "PIXELS_AT_ONCE", 2 * 32 * 32)
    counts = []

    def network(images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return bicubic(images)

    images = noise(5, 3, 32, 32)
    attacked = from_callable(network, 2, "mine", device="cpu")(images)
    assert counts == [2, 2, 1]
    assert torch.equal(attacked, Bicubic(2)(images))


def test_large_images_are_computed_in_tiles_without_seams(monkeypatch):
    network = Network(nn.Upsample(scale_factor=2, mode="bicubic"), 2)
    images = torch.rand(2, 3, 70, 45, generator=torch.Generator().manual_seed(0))
    whole = network(images)
    monkeypatch.setattr(tiling, "WHOLE_UP_TO", 0)
    monkeypatch.setattr(tiling, "TILE", 40)
    torch.testing.assert_close(tiling.enlarge_in_tiles(network, images), whole)


def test_a_network_that_sees_the_whole_is_not_cut_into_tiles(monkeypatch):
    module = nn.Upsample(scale_factor=2)
    monkeypatch.setattr(tiling, "WHOLE_UP_TO", 0)
    monkeypatch.setattr(tiling, "TILE", 40)
    sizes = []
    module.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[-2:]))
    tiling.enlarge_in_tiles(Network(module, 2, tiles=False), torch.rand(1, 3, 70, 45))
    assert sizes == [(70, 45)]


def test_a_function_that_gives_whole_numbers_is_refused():
    def network(images: torch.Tensor) -> torch.Tensor:
        return (bicubic(images) * 255).to(torch.uint8)

    with pytest.raises(ImageContractError, match=r"torch.uint8, not floating-point"):
        from_callable(network, 2, "mine", device="cpu")(noise(1, 3, 32, 32))


def test_bfloat16_is_close_and_has_a_cache_of_its_own():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    images = noise(2, 3, 32, 32)
    exact = from_callable(module, 2, "mine", device="cpu")
    fast = from_callable(module, 2, "mine", device="cpu", precision="bfloat16")
    difference = (exact(images).int() - fast(images).int()).abs()
    assert 0 < difference.float().mean() < 1
    assert exact.fingerprint() != fast.fingerprint()


def test_a_network_is_loaded_once_and_only_when_used():
    loads = []

    def load() -> Network:
        loads.append(1)
        return Network(nn.Upsample(scale_factor=2), 2)

    attack = attack_module.SuperResolution(
        load, scale=2, label="mine", identity="mine", device="cpu"
    )
    attack.fingerprint()
    assert loads == []
    attack(noise(1, 3, 32, 32))
    attack(noise(1, 3, 32, 32))
    assert loads == [1]


def test_a_module_is_evaluated_not_trained():
    module = nn.Sequential(nn.Upsample(scale_factor=2), nn.Dropout(0.9)).train()
    images = noise(1, 3, 32, 32)
    attacked = from_callable(module, 2, "mine", device="cpu")(images)
    assert attacked.float().mean() > 100


def test_a_function_of_another_scale_is_refused():
    with pytest.raises(ImageContractError, match="scale 3"):
        from_callable(bicubic, 3, "mine", device="cpu")(noise(1, 3, 48, 48))
    with pytest.raises(BadConfigError, match="cannot enlarge by 0"):
        from_callable(bicubic, 0, "mine", device="cpu")
