"""Gradients through detectors: attack libraries and attacks of one's own run on them."""

import foolbox
import pytest
import torch
from torch import nn

from demagnify import detectors
from demagnify.core.errors import ImageContractError
from demagnify.detectors import Preprocessing, TrainDetectorConfig, TwoLogits, wrap

BUDGET = 16 / 255  # below the stripes, which are 30 / 255


@pytest.fixture(scope="module")
def trained(striped_faces, tmp_path_factory):
    """A detector that tells faces with stripes from others, and faces that it has not met."""
    detector = detectors.create("test_efficientnet", input_size=32, device="cpu", seed=0)
    result = detectors.train_detector(
        (striped_faces(48, 48, 0), striped_faces(24, 24, 1)),
        tmp_path_factory.mktemp("gradients") / "detector",
        TrainDetectorConfig(
            epochs=6, learning_rate=5e-3, augmentation=0, precision="float32", device="cpu"
        ),
        detector=detector,
    )
    return result.detector, striped_faces(24, 24, 2)


def test_projected_gradient_descent_of_foolbox_lowers_the_accuracy(trained):
    detector, faces = trained
    images = faces.batch(range(len(faces))).float() / 255
    labels = torch.from_numpy(faces.labels)
    model = foolbox.PyTorchModel(TwoLogits(detector).eval(), bounds=(0, 1), device="cpu")
    clean = foolbox.accuracy(model, images, labels)
    attack = foolbox.attacks.LinfPGD(steps=20)
    _, attacked, success = attack(model, images, labels, epsilons=BUDGET)
    assert clean > 0.9
    assert 1 - success.float().mean().item() < clean - 0.3
    assert (attacked - images).abs().max() <= BUDGET + 1e-6
    # What the attack did can be published: it withstands rounding to 8 bits.
    published = (attacked * 255).round().to(torch.uint8)
    verdicts = detector.logits(published) > detector.threshold
    assert (verdicts == labels.bool()).float().mean() < clean - 0.3


def test_two_logits_give_the_verdict_of_the_threshold(trained):
    detector, faces = trained
    images = faces.batch(range(len(faces)))
    with torch.no_grad():
        both = TwoLogits(detector)(images)
    assert both.shape == (len(faces), 2)
    verdicts = detector.logits(images) > detector.threshold
    assert torch.equal(both.argmax(dim=1).bool(), verdicts)
    assert 0 < verdicts.sum() < len(faces)


def test_gradients_pass_through_resizing(tiny):
    images = torch.rand(2, 3, 70, 50, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(tiny()(images.requires_grad_()).sum(), images)
    assert (gradient.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_floats_of_0_to_255_are_refused_in_one_line(tiny):
    with pytest.raises(
        ImageContractError, match=r"from 0 to 255, but floats lie in \[0, 1\]"
    ) as it:
        tiny()(torch.linspace(0, 255, 2 * 3 * 32 * 32).view(2, 3, 32, 32))
    assert "divide" in str(it.value)
    assert "\n" not in str(it.value)


def test_a_callable_without_gradient_is_refused(tiny):
    class Detached(nn.Module):
        def forward(self, images):
            return images.detach().mean(dim=(1, 2, 3))

    detector = wrap(Detached(), name="detached", preprocessing=Preprocessing())
    images = torch.full((2, 3, 8, 8), 0.5)
    torch.testing.assert_close(detector(images), torch.tensor([0.5, 0.5]))
    with pytest.raises(ImageContractError, match="'detached' has no gradient"):
        detector(images.requires_grad_())


def test_floats_stay_as_they_are(tiny):
    images = torch.rand(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    tiny()(images)
    assert torch.equal(images, before)
