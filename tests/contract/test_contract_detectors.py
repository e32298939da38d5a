"""One contract for every kind of detector: uint8 batch in, one float32 logit per image out."""

import numpy as np
import pytest
import torch
from detector_kinds import KINDS

from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import Detector, wrap


@pytest.fixture(params=KINDS, scope="module")
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return KINDS[request.param](tmp_path_factory.mktemp("detector"))


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
    assert isinstance(detector.threshold, float)


def test_a_batch_is_classified_like_its_images_one_by_one(detector, images):
    together = detector.logits(images)
    alone = torch.cat([detector.logits(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_batch_size_and_container_change_nothing(detector, images):
    square = images[..., :72, :]
    faces = FaceDataset.from_arrays(square, [0, 1, 0, 1, 0])
    torch.testing.assert_close(
        detector.logits(faces, batch_size=2), detector.logits(square), rtol=1e-4, atol=1e-4
    )


def test_same_images_give_the_same_bits(detector, images):
    assert torch.equal(detector.logits(images), detector.logits(images))


@pytest.mark.parametrize("side", [8, 31, 224])
def test_images_of_any_size_are_classified(detector, side):
    pixels = np.random.default_rng(side).integers(0, 256, (2, 3, side, side + 5), dtype=np.uint8)
    logits = detector.logits(torch.from_numpy(pixels))
    assert logits.shape == (2,)
    assert logits.isfinite().all()


def test_the_order_of_pixels_in_memory_changes_nothing(detector, images):
    turned = images.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    sparse = images.repeat_interleave(2, dim=0)[::2]
    logits = detector.logits(images)
    for same in (turned, sparse):
        assert not same.is_contiguous()
        torch.testing.assert_close(detector.logits(same), logits, rtol=1e-4, atol=1e-4)


def test_its_fingerprint_stays_the_same_while_it_classifies(detector, images):
    try:
        before = detector.fingerprint()
    except BadConfigError:
        assert detector.source is None  # a bare function, of which nothing is known
        return
    detector.logits(images)
    assert detector.fingerprint() == before


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
        torch.zeros(2, 3, 40, 40, dtype=torch.int64),
        torch.zeros(2, 3, 40, 40, dtype=torch.bfloat16),
        torch.full((2, 3, 40, 40), 255.0),
        torch.full((2, 3, 40, 40), -0.5),
        torch.full((2, 3, 40, 40), torch.nan),
        torch.full((2, 3, 40, 40), torch.inf, dtype=torch.float64),
        torch.zeros(2, 40, 40, 3, dtype=torch.uint8),
        torch.zeros(3, 40, 40, dtype=torch.uint8),
        torch.zeros(2, 1, 40, 40, dtype=torch.uint8),
        np.zeros((2, 3, 40, 40), dtype=np.uint8),
    ],
    ids=[
        *("int64", "bfloat16", "floats-to-255", "negative", "nan", "infinite"),
        *("channels-last", "one-image", "gray", "array"),
    ],
)
def test_refuses_what_is_no_image_batch(detector, wrong):
    with pytest.raises(ImageContractError):
        detector(wrong)


def takes_floats(detector: Detector) -> bool:
    """Whether a detector can have gradients: a network of timm's, or code behind preprocessing."""
    return bool(detector.backbone) or (detector.differentiable and detector.preprocessing)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_floats_give_the_logits_of_uint8_and_gradients_or_are_refused(detector, images, dtype):
    floats = (images.to(dtype) / 255).requires_grad_()
    if not takes_floats(detector):
        with pytest.raises(ImageContractError, match="takes uint8 images only") as caught:
            detector(floats)
        assert "\n" not in str(caught.value)
        return
    logits = detector.eval()(floats)
    assert logits.dtype == torch.float32
    if dtype != torch.float16:  # eleven bits do not hold every k / 255
        torch.testing.assert_close(logits, detector(images), rtol=1e-5, atol=1e-4)
    (gradient,) = torch.autograd.grad(logits.sum(), floats)
    assert gradient.dtype == dtype
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(detector.logits(floats.detach()), logits.detach())


def test_classifying_keeps_the_mode(detector, images):
    detector.train()
    detector.logits(images)
    assert detector.training
    detector.eval()
    detector.logits(images)
    assert not detector.training


def test_every_head_orders_images_as_the_probability_of_fake_does(images):
    """One network, its output written in each way of the field."""
    one = images.double().mean(dim=(1, 2, 3)) - 127
    pair = torch.stack([one / 3, -2 * one / 3], dim=1)  # fake is the first
    outputs = {
        "logit": one,
        "logit-real": -one,
        "two-logit": pair,
        "probability": torch.sigmoid(one),
        "probability-real": torch.sigmoid(-one),
        "two-probability": pair.softmax(dim=1),
    }
    for head, output in outputs.items():
        fake_index = 0 if head.startswith("two-") else None
        detector = wrap(
            lambda _, output=output: output, name=head, head=head, fake_index=fake_index
        )
        logits = detector(images)
        torch.testing.assert_close(logits, one.float(), rtol=1e-4, atol=1e-5)
        assert ((logits > detector.threshold) == (torch.sigmoid(one) > 0.5)).all()
