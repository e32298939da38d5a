"""The float door of the defended detector: the values of the uint8 path, with gradients."""

from __future__ import annotations

import foolbox
import pytest
import torch

from demagnify import detectors
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.policies import (
    AbstainingPolicy,
    FixedPolicy,
    GreedyQPolicy,
    MarginCascade,
    MeanOfViews,
    RandomPolicy,
    SequentialPolicy,
    TopKPolicy,
)
from demagnify.agents.q_network import QNetwork
from demagnify.agents.states import Thumbnail
from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.detectors import TwoLogits, wrap
from demagnify.transforms import TransformSet

NAMES = ["identity", "flip", "gaussian-blur", "jpeg-50"]
STATE = 48

POLICIES = {
    "fixed": lambda: FixedPolicy(2),
    "random": lambda: RandomPolicy(4, seed=1),
    "mean-of-views": lambda: MeanOfViews(4),
    "margin-cascade": lambda: MarginCascade(4, 0.1),
    "greedy-q": lambda: GreedyQPolicy(QNetwork(STATE, 4, hidden=4)),
    "top-k": lambda: TopKPolicy(2, QNetwork(STATE, 4, hidden=4)),
    "sequential": lambda: SequentialPolicy(3, False, QNetwork(STATE + 8, 5, hidden=4)),
    "abstaining": lambda: AbstainingPolicy(MeanOfViews(4), measure="margin", actions=4),
}


@pytest.fixture(name="small", scope="module")
def small_detector():
    return detectors.create("test_resnet", input_size=32, device="cpu", seed=1).eval()


@pytest.fixture(name="images")
def some_images():
    rng = torch.Generator().manual_seed(0)
    return torch.randint(1, 255, (6, 3, 32, 32), generator=rng, dtype=torch.uint8)


def defend(detector, policy, names=NAMES):
    encoder = Thumbnail(side=4) if policy.uses_state else None
    return DefendedDetector(
        detector, TransformSet.create(names), encoder, policy, input_size=32
    ).eval()


@pytest.mark.parametrize("name", list(POLICIES))
def test_floats_give_the_logits_of_uint8_and_gradients(name, small, images):
    defended = defend(small, POLICIES[name]())
    floats = (images.float() / 255).requires_grad_()
    logits = defended(floats)
    torch.testing.assert_close(logits.detach(), defended(images), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(logits.sum(), floats)
    assert gradient.isfinite().all()
    assert (gradient.abs().sum((1, 2, 3)) > 0).all()


def test_floats_between_levels_are_rounded_first(small, images):
    defended = defend(small, MeanOfViews(4))
    between = images.float() / 255 + 0.4 / 255
    assert torch.equal(defended(between), defended(images))
    between.requires_grad_()
    torch.testing.assert_close(defended(between).detach(), defended(images), rtol=1e-5, atol=1e-5)


def test_gradients_through_a_differentiable_action_are_exact(small, images):
    floats = (images.float() / 255).requires_grad_()
    defended = defend(small, FixedPolicy(1))
    expected = torch.autograd.grad(small(floats.flip(-1)).sum(), floats)[0]
    found = torch.autograd.grad(defended(floats).sum(), floats)[0]
    torch.testing.assert_close(found, expected)


def test_gradients_of_other_actions_pass_straight_through(small, images):
    floats = (images.float() / 255).requires_grad_()
    defended = defend(small, FixedPolicy(3))
    compressed = (defended.actions[3](images).float() / 255).requires_grad_()
    expected = torch.autograd.grad(small(compressed).sum(), compressed)[0]
    found = torch.autograd.grad(defended(floats).sum(), floats)[0]
    torch.testing.assert_close(found, expected)


def test_images_of_another_size_have_gradients_too(small, images):
    defended = defend(small, MeanOfViews(2), names=["identity", "flip"])
    larger = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    floats = (larger.float() / 255).requires_grad_()
    logits = defended(floats)
    torch.testing.assert_close(logits.detach(), defended(larger), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(logits.sum(), floats)
    assert gradient.shape == larger.shape
    assert gradient.abs().sum() > 0


def test_floats_without_gradients_suit_every_detector(images):
    toy = wrap(lambda batch: batch.float().mean((1, 2, 3)) - 127, name="toy")
    defended = defend(toy, MeanOfViews(4))
    floats = images.float() / 255
    assert torch.equal(defended(floats), defended(images))
    with pytest.raises(ImageContractError):
        defended(floats * 255)


def test_a_policy_that_needs_a_state_gets_one(small):
    with pytest.raises(BadConfigError, match="'random' needs a state"):
        DefendedDetector(small, TransformSet.create(NAMES), None, RandomPolicy(4), input_size=32)


def test_states_are_computed_only_for_policies_that_use_them(small, images):
    class Costly(Thumbnail):
        def encode(self, images, output):
            raise AssertionError("not needed")

    defended = DefendedDetector(
        small, TransformSet.create(NAMES), Costly(), MeanOfViews(4), input_size=32
    )
    assert defended(images).shape == (6,)


@pytest.mark.parametrize("name", ["mean-of-views", "greedy-q"])
def test_projected_gradient_descent_of_foolbox_lowers_the_accuracy(name, small, images):
    defended = defend(small, POLICIES[name]())
    logits = defended(images)
    small.threshold = float(logits.median())
    try:
        labels = (logits > small.threshold).long()
        model = foolbox.PyTorchModel(TwoLogits(defended).eval(), bounds=(0, 1), device="cpu")
        floats = images.float() / 255
        assert foolbox.accuracy(model, floats, labels) == 1.0
        attack = foolbox.attacks.LinfPGD(steps=10)
        _, adversarial, success = attack(model, floats, labels, epsilons=16 / 255)
        assert (adversarial - floats).abs().max() <= 16 / 255 + 1e-6
        assert success.float().mean() >= 0.5
    finally:
        small.threshold = 0.0
