"""What holds for every registered learner."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.learners import (
    LEARNERS,
    CostSensitiveConfig,
    FullInformationConfig,
    MarginCascadeConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SequentialConfig,
    TopKConfig,
)
from demagnify.agents.policies import Policy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import Thumbnail
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import wrap
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

CONFIGS = {
    "q-learning": QLearningConfig(episodes=600, hidden=16),
    "full-information": FullInformationConfig(hidden=16),
    "policy-gradient": PolicyGradientConfig(hidden=16),
    "cost-sensitive": CostSensitiveConfig(hidden=16),
    "top-k": TopKConfig(hidden=16, k=1),
    "sequential": SequentialConfig(
        hidden=16, steps=4000, environments=32, batch_size=64, learning_rate=5e-3
    ),
}
ENCODER = Thumbnail(side=4)


class Brightness(torch.nn.Module):
    """Calls bright images fake."""

    def forward(self, images):
        return (images.float().mean((1, 2, 3)) - 118) / 10


def new_table():
    """Masking mends grey real faces, harms reddish fake ones, and changes nothing for bright ones.

    It takes about 8 % of the light: enough for 120 to fall below 118, not for 180.
    """
    random = np.random.default_rng(0)
    colours = np.array([[120, 120, 120], [200, 120, 40], [180, 180, 180]])
    kinds = random.integers(0, 3, size=60)
    images = colours[kinds][:, :, None, None] + random.integers(-4, 5, size=(60, 3, 32, 32))
    faces = FaceDataset.from_arrays(images.astype(np.uint8), kinds != 0)
    return LogitTable(
        faces,
        wrap(Brightness(), name="brightness"),
        TransformSet.create(["identity", "mask-center"]),
    )


def fit(name, table, **options):
    return LEARNERS.get(name)(CONFIGS[name]).fit(table, ENCODER, **options)


@cache
def fitted(name):
    """A training that many tests look at, and none changes."""
    return fit(name, new_table())


def state_dict(trained):
    return trained.policy.state_dict()


TRAINED = [name for name in LEARNERS if LEARNERS.get(name).uses_state]
"""The learners with something to learn."""


def test_every_learner_is_tried():
    assert set(CONFIGS) == set(TRAINED)
    assert set(LEARNERS) - set(TRAINED) == {"mean-of-views", "margin-cascade"}


def test_the_mean_of_views_needs_no_call_and_no_state():
    table = new_table()
    trained = LEARNERS.get("mean-of-views")().fit(table, None)
    assert table.calls == 0
    predictions = PolicyPredictor(trained.policy, None).predict(table)
    table.fill()
    np.testing.assert_allclose(predictions.logits, table.logits.mean(axis=1), rtol=1e-6)
    assert (predictions.calls == 2).all()


def test_a_margin_cascade_buys_views_where_the_mean_is_close():
    table = new_table()
    table.fill()
    first, mean = table.logits[:, 0], table.logits.mean(axis=1)
    band = float(np.median(np.abs(first - table.threshold)))
    policy = LEARNERS.get("margin-cascade")(MarginCascadeConfig(band=band)).fit(table, None).policy
    predictions = PolicyPredictor(policy, None).predict(table)
    close = np.abs(first - table.threshold) < band
    assert 0 < close.sum() < len(close)
    assert (predictions.calls == 1 + close).all()
    np.testing.assert_allclose(predictions.logits, np.where(close, mean, first), rtol=1e-6)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_learner_has_a_configuration_of_its_name(name):
    config = LEARNERS.get(name).config_type()
    assert config.name == name
    assert all(field.description for field in type(config).model_fields.values())


@pytest.mark.parametrize("name", TRAINED)
def test_it_learns_what_can_be_learned(name):
    table, trained = new_table(), fitted(name)
    table.fill()
    assert (
        RewardConfig().of_table(table).mean(axis=0).max()
        < RewardConfig().of_table(table).max(axis=1).mean()
        == 1.0
    )
    predictions = PolicyPredictor(trained.policy, ENCODER).predict(table)
    assert (predictions.fake == (table.labels == 1)).all()


@pytest.mark.parametrize("name", TRAINED)
def test_it_decides_alike_on_a_table_and_on_images(name):
    table, trained = new_table(), fitted(name)
    table.fill()
    predictions = PolicyPredictor(trained.policy, ENCODER).predict(table)
    detector = wrap(Brightness(), name="brightness")
    defended = DefendedDetector(detector, table.transforms, ENCODER, trained.policy, input_size=32)
    decisions = defended.decide(table.faces.batch(range(60)))
    assert decisions.actions.tolist() == predictions.actions.tolist()
    assert decisions.calls.tolist() == predictions.calls.tolist()
    np.testing.assert_array_equal(decisions.logits.numpy(), predictions.logits)


@pytest.mark.parametrize("name", TRAINED)
def test_the_policy_sees_states_and_no_labels(name):
    table, trained = new_table(), fitted(name)
    swapped = FaceDataset.from_arrays(table.faces.images, 1 - table.faces.labels)
    other = LogitTable(swapped, wrap(Brightness(), name="brightness"), table.transforms)
    chosen = [PolicyPredictor(trained.policy, ENCODER).choose(one) for one in (table, other)]
    np.testing.assert_array_equal(*chosen)


@pytest.mark.parametrize("name", TRAINED)
def test_settings_and_weights_bring_it_back(name):
    table, policy = new_table(), fitted(name).policy
    again = Policy.create(policy.name, policy.settings())
    again.load_state_dict(policy.state_dict())
    one, other = (PolicyPredictor(each, ENCODER).predict(table) for each in (policy, again))
    np.testing.assert_array_equal(one.logits, other.logits)


@pytest.mark.parametrize("name", TRAINED)
def test_the_learning_curve_has_a_share_for_every_action(name):
    history = fitted(name).history
    assert [point.episode for point in history] == sorted({point.episode for point in history})
    assert history[-1].reward > 0.9
    for point in history:
        assert len(point.actions) == 2
        assert sum(point.actions) == pytest.approx(1)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_gives_the_same_bits(name):
    one, same, other = (state_dict(fit(name, new_table(), seed=seed)) for seed in (4, 4, 5))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", TRAINED)
def test_a_finished_training_is_read_back(name, tmp_path):
    path = tmp_path / "state.safetensors"
    first = fit(name, new_table(), checkpoint=path)
    table = new_table()
    again = fit(name, table, checkpoint=path)
    assert table.calls == 0
    assert all(
        torch.equal(tensor, state_dict(again)[key]) for key, tensor in state_dict(first).items()
    )


@pytest.mark.parametrize("name", TRAINED)
def test_it_leaves_global_randomness_alone(name):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit(name, new_table())
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
