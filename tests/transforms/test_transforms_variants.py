"""Variants, chains, JPEG and the published feeding, with networks made here."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.transforms import TransformSet, create
from demagnify.transforms.base import Chain
from demagnify.transforms.jpeg import Jpeg
from demagnify.transforms.resampling import shrink
from demagnify.transforms.resize import Bicubic
from demagnify.transforms.super_resolution.attack import SuperResolution
from demagnify.transforms.super_resolution.magnification import Geometry
from demagnify.transforms.super_resolution.network import Network


class Nearest(nn.Module):
    """Repeats each pixel and notes what it is fed."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images.clone())
        return functional.interpolate(images, scale_factor=self.scale, mode="nearest")


def attack_with(module: nn.Module, scale: int, **settings) -> SuperResolution:
    options = {
        name: settings.pop(name) for name in ("shrink", "variant", "feeding") if name in settings
    }
    return SuperResolution(
        lambda: Network(module, scale),
        scale=scale,
        label="mine",
        identity="mine",
        device="cpu",
        options=Geometry(**options),
        **settings,
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_as_found_shrinks_the_image_at_its_own_size():
    network = Nearest(2)
    attack_with(network, 2)(noise(1, 3, 60, 80))
    assert network.seen[0].shape == (1, 3, 30, 40)


def test_fit_224_resizes_first_and_gives_the_size_back():
    network = Nearest(2)
    images = noise(2, 3, 60, 80)
    attacked = attack_with(network, 2, variant="fit-224")(images)
    assert network.seen[0].shape[-2:] == (112, 112)
    assert attacked.shape == images.shape


def test_fit_224_of_a_face_of_224_is_as_found():
    images = noise(1, 3, 224, 224)
    assert torch.equal(
        attack_with(Nearest(2), 2, variant="fit-224")(images), attack_with(Nearest(2), 2)(images)
    )


def test_up_then_down_shows_the_network_the_whole_image():
    network = Nearest(3)
    images = noise(1, 3, 31, 45)
    attacked = attack_with(network, 3, variant="up-then-down")(images)
    assert torch.equal(network.seen[0], images / 255)
    assert torch.equal(attacked, images), "repeated pixels averaged again are the pixels"


@pytest.mark.parametrize("factor", [1, 1.5, 2, 3, 4])
def test_images_may_shrink_by_another_factor_than_the_networks(factor):
    network = Nearest(4)
    images = noise(2, 3, 48, 64)
    attacked = attack_with(network, 4, shrink=factor)(images)
    assert attacked.shape == images.shape
    assert torch.equal(network.seen[0], shrink(images, factor) / 255)
    if factor != 4:
        assert attack_with(network, 4, shrink=factor).fingerprint().count(f"k{factor:g}") == 1


def test_a_network_that_does_not_enlarge_sees_the_image_as_it_is():
    network = Nearest(1)
    images = noise(1, 3, 31, 45)
    assert torch.equal(attack_with(network, 1)(images), images)
    assert torch.equal(network.seen[0], images / 255)


def test_the_published_feeding_gives_bgr_up_to_255_and_reads_it_back():
    network = Nearest(2)
    images = noise(1, 3, 32, 32)
    attacked = attack_with(network, 2, feeding="bgr-255")(images)
    torch.testing.assert_close(network.seen[0], shrink(images, 2).flip(1).float())
    assert torch.equal(attacked, attack_with(Nearest(2), 2)(images))


def test_the_published_feeding_does_not_meet_a_clip():
    class Clipped(Nearest):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images).clamp(0, 1)

    network = Network(Clipped(2), 2, unclipped=Nearest(2))
    attack = SuperResolution(
        lambda: network,
        scale=2,
        label="mine",
        identity="mine",
        options=Geometry(feeding="bgr-255"),
        device="cpu",
    )
    images = noise(1, 3, 32, 32)
    assert torch.equal(attack(images), attack_with(Nearest(2), 2)(images))


def test_a_network_that_takes_0_to_1_only_is_not_fed_more():
    network = Network(Nearest(1), 1, any_range=False)
    attack = SuperResolution(
        lambda: network,
        scale=1,
        label="mine",
        identity="mine",
        options=Geometry(feeding="bgr-255"),
        device="cpu",
    )
    with pytest.raises(BadConfigError, match="takes values in 0-1 only"):
        attack(noise(1, 3, 32, 32))


def test_each_setting_has_a_cache_of_its_own():
    settings = [
        {},
        {"shrink": 3},
        {"variant": "fit-224"},
        {"variant": "up-then-down"},
        {"feeding": "bgr-255"},
        {"precision": "bfloat16"},
    ]
    prints = {attack_with(Nearest(2), 2, **chosen).fingerprint() for chosen in settings}
    assert len(prints) == len(settings)


def test_precision_follows_the_network():
    def made(precision: str) -> SuperResolution:
        return attack_with(Nearest(2), 2, bfloat16=False, precision=precision)

    assert made("auto").precision == made("float32").precision == "float32"
    with pytest.raises(BadConfigError, match="does not compute in bfloat16"):
        made("bfloat16")


def test_bicubic_has_the_variants_too():
    images = noise(1, 3, 60, 80)
    made = [create(f"bicubic-x2{option}") for option in ("", "@fit-224", "@up-then-down")]
    results = [attack(images) for attack in made]
    assert len({attack.fingerprint() for attack in made}) == 3
    assert not torch.equal(results[0], results[1])
    difference = (results[2].int() - images.int()).abs().float().mean()
    assert difference < (results[0].int() - images.int()).abs().float().mean()


def test_a_chain_is_its_links_one_after_the_other():
    images = noise(2, 3, 48, 48)
    one, other = Bicubic(2), Jpeg(50)
    chain = create("bicubic-x2+jpeg-50+bicubic-x2")
    assert isinstance(chain, Chain)
    assert torch.equal(chain(images), one(other(one(images))))
    assert Chain([one, other]).fingerprint() != Chain([other, one]).fingerprint()


def test_a_chain_needs_a_link():
    with pytest.raises(BadConfigError, match="at least one"):
        Chain([])


def test_jpeg_is_what_the_corrective_action_does():
    images = noise(2, 3, 40, 56)
    jpeg = TransformSet.create(["identity", "jpeg-75"])
    expected = jpeg.apply(images, torch.tensor([1, 1]))
    assert torch.equal(create("jpeg-75")(images), expected)


def test_jpeg_of_full_colour_is_closer():
    images = noise(1, 3, 48, 48)

    def error(name: str) -> float:
        return (create(name)(images).int() - images.int()).abs().float().mean().item()

    assert error("jpeg-75-444") < error("jpeg-75") < error("jpeg-20")


def test_jpeg_refuses_what_is_too_small():
    with pytest.raises(ImageContractError, match="too small"):
        create("jpeg-75")(noise(1, 3, 7, 40))
