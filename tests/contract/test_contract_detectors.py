"""One contract for every kind of detector: uint8 batch in, one float32 logit per image out."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from demagnify import detectors
from demagnify.data.faces import Faces
from demagnify.detectors import Detector
from demagnify.errors import ImageContractError


class MeanColor(nn.Module):
    """A stand-in for a user's own network: its logit comes with an extra axis."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.float().mean(dim=(2, 3)) / 255)


def make_module() -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return detectors.wrap(MeanColor(), name="mean-color").eval()


def make_timm(name: str) -> Detector:
    return detectors.create(name, input_size=64, device="cpu", precision="float32")


KINDS: dict[str, Callable[[], Detector]] = {
    "light": lambda: make_timm("light"),
    "mobilenetv3": lambda: make_timm("mobilenetv3_small_050"),
    "vit": lambda: make_timm("test_vit"),
    "function": lambda: detectors.wrap(
        lambda images: images.double().mean(dim=(1, 2, 3)) - 100, name="brightness"
    ),
    "module": make_module,
}


@pytest.fixture(params=KINDS, scope="module")
def detector(request: pytest.FixtureRequest) -> Detector:
    return KINDS[request.param]()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 3, 80, 72), dtype=np.uint8)
    return torch.from_numpy(pixels)


def test_gives_one_finite_float32_logit_per_image(detector, images):
    logits = detector(images)
    assert logits.dtype == torch.float32
    assert logits.shape == (5,)
    assert logits.isfinite().all()
    assert logits.unique().numel() == 5


def test_has_a_name_and_a_threshold(detector):
    assert detector.name
    assert detector.threshold == 0.0


def test_a_batch_is_judged_like_its_images_one_by_one(detector, images):
    together = detector.logits(images)
    alone = torch.cat([detector.logits(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_batch_size_and_container_change_nothing(detector, images):
    square = images[..., :72, :]
    faces = Faces.from_arrays(square, [0, 1, 0, 1, 0])
    torch.testing.assert_close(
        detector.logits(faces, batch_size=2), detector.logits(square), rtol=1e-4, atol=1e-4
    )


def test_same_images_give_the_same_bits(detector, images):
    assert torch.equal(detector.logits(images), detector.logits(images))


def test_leaves_the_images_as_they_are(detector, images):
    before = images.clone()
    detector.logits(images)
    assert torch.equal(images, before)


def test_empty_batch_gives_no_logits(detector):
    nothing = torch.empty(0, 3, 40, 40, dtype=torch.uint8)
    for logits in (detector(nothing), detector.logits(nothing)):
        assert logits.shape == (0,)
        assert logits.dtype == torch.float32


def test_logits_are_ordinary_tensors_without_gradient(detector, images):
    logits = detector.logits(images)
    assert not logits.requires_grad
    assert not logits.is_inference()


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, 3, 40, 40),
        torch.zeros(2, 3, 40, 40, dtype=torch.int64),
        torch.zeros(2, 40, 40, 3, dtype=torch.uint8),
        torch.zeros(3, 40, 40, dtype=torch.uint8),
        torch.zeros(2, 1, 40, 40, dtype=torch.uint8),
        np.zeros((2, 3, 40, 40), dtype=np.uint8),
    ],
    ids=["float", "int64", "channels-last", "one-image", "gray", "array"],
)
def test_refuses_what_is_no_image_batch(detector, wrong):
    with pytest.raises(ImageContractError):
        detector(wrong)


def test_judging_keeps_the_mode(detector, images):
    detector.train()
    detector.logits(images)
    assert detector.training
    detector.eval()
    detector.logits(images)
    assert not detector.training
