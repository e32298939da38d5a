"""Every registered attack keeps the same contract."""

import pytest
import torch

from demagnify.core.errors import ImageContractError
from demagnify.transforms import ATTACKS, TRANSFORMS, create
from demagnify.transforms.networks import PublishedNetwork

ALL = [
    pytest.param(name, marks=pytest.mark.assets)
    if isinstance(TRANSFORMS.get(name) if name in TRANSFORMS else None, PublishedNetwork)
    else name
    for name in ATTACKS
]

COMPOSED = [
    *("bicubic-x1.5", "bicubic-x2@fit-224", "bicubic-x2@up-then-down", "jpeg-85-444"),
    *("bicubic-x2+jpeg-75", "bicubic-x4+bicubic-x2", "identity+jpeg-90"),
]
"""Attacks that are made of registered ones and options; networks are covered by their own tests."""


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    """Slopes, edges and noise, the same every time."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.linspace(0, 2, height)[:, None]
    columns = torch.linspace(0, 3, width)[None, :]
    waves = [torch.sin(rows * (k + 1) + columns * (3 - k)) for k in range(3)]
    noise = torch.rand(count, 3, height, width, generator=generator)
    return (110 + 60 * torch.stack(waves) + 25 * noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture(params=[*ALL, *COMPOSED])
def attack(request):
    entry = TRANSFORMS.get(request.param) if request.param in TRANSFORMS else None
    if isinstance(entry, PublishedNetwork):
        request.getfixturevalue("asset")(entry.asset)
    return create(request.param, device="cpu")


def test_an_attack_keeps_the_contract(attack):
    images = pictures(3, 48, 56)
    before = images.clone()
    attacked = attack(images)
    assert attacked.shape == images.shape
    assert attacked.dtype == torch.uint8
    assert attacked.device == images.device
    assert not attacked.is_inference()
    assert torch.equal(images, before), "the input was changed"
    assert attack.is_identity or attacked.data_ptr() != images.data_ptr()
    assert torch.equal(attack(images), attacked), "the same images give other pixels"

    changed = (attacked != images).float().mean()
    assert changed == 0 if attack.is_identity else changed > 0.5

    alone = torch.cat([attack(image[None]) for image in images])
    difference = (alone.int() - attacked.int()).abs()
    assert difference.max() <= 1, "an image depends on its batch"
    assert (difference > 0).float().mean() < 1e-3

    odd = pictures(1, 97, 131)
    error = attack(odd).float() - odd.float()
    assert error.abs().mean() < 15, "the picture is another one"
    assert error.mean().abs() < 6, "the picture became lighter or darker"

    assert attack(images[:0]).shape == (0, 3, 48, 56)
    assert attack.fingerprint() == create(attack.name).fingerprint()


@pytest.mark.parametrize(
    "name", [name for name in ATTACKS if not name.startswith(("identity", "jpeg"))]
)
def test_an_attack_refuses_images_without_room(name):
    with pytest.raises(ImageContractError, match="too small"):
        create(name, device="cpu")(torch.zeros(1, 3, 13, 64, dtype=torch.uint8))


def test_no_two_attacks_share_a_fingerprint():
    specs = [*ATTACKS, *COMPOSED]
    prints = [create(spec, device="cpu").fingerprint() for spec in specs]
    assert len(set(prints)) == len(prints)
