"""What holds for every registered learner."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.agents.learned import Learned
from demagnify.agents.learners import (
    LEARNERS,
    CostSensitiveConfig,
    FullInformationConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SequentialConfig,
    TopKConfig,
)
from demagnify.agents.policy import Policy
from demagnify.agents.state import Thumbnail
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


def state_dict(trained):
    return trained.policy.state_dict()


def test_every_learner_is_tried():
    assert set(CONFIGS) == set(LEARNERS)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_it_learns_what_can_be_learned(name):
    table = new_table()
    trained = fit(name, table)
    table.fill()
    assert table.rewards().mean(axis=0).max() < table.rewards().max(axis=1).mean() == 1.0
    judgement = Learned(trained.policy, ENCODER).judge(table)
    assert (judgement.fake == (table.labels == 1)).all()


@pytest.mark.parametrize("name", list(LEARNERS))
def test_it_decides_alike_on_a_table_and_on_images(name):
    table = new_table()
    trained = fit(name, table)
    table.fill()
    judgement = Learned(trained.policy, ENCODER).judge(table)
    detector = wrap(Brightness(), name="brightness")
    defended = DefendedDetector(detector, table.actions, ENCODER, trained.policy, input_size=32)
    decisions = defended.decide(table.faces.batch(range(60)))
    assert decisions.actions.tolist() == judgement.actions.tolist()
    assert decisions.calls.tolist() == judgement.calls.tolist()
    np.testing.assert_array_equal(decisions.logits.numpy(), judgement.logits)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_the_policy_sees_states_and_no_labels(name):
    table = new_table()
    trained = fit(name, table)
    swapped = FaceDataset.from_arrays(table.faces.images, 1 - table.faces.labels)
    other = LogitTable(swapped, wrap(Brightness(), name="brightness"), table.actions)
    chosen = [Learned(trained.policy, ENCODER).choose(one) for one in (table, other)]
    np.testing.assert_array_equal(*chosen)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_settings_and_weights_bring_it_back(name):
    table = new_table()
    policy = fit(name, table).policy
    again = Policy.create(policy.name, policy.settings())
    again.load_state_dict(policy.state_dict())
    one, other = (Learned(each, ENCODER).judge(table) for each in (policy, again))
    np.testing.assert_array_equal(one.logits, other.logits)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_the_learning_curve_has_a_share_for_every_action(name):
    history = fit(name, new_table()).history
    assert [point.episode for point in history] == sorted({point.episode for point in history})
    assert history[-1].reward > 0.9
    for point in history:
        assert len(point.actions) == 2
        assert sum(point.actions) == pytest.approx(1)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_the_same_seed_gives_the_same_bits(name):
    one, same, other = (state_dict(fit(name, new_table(), seed=seed)) for seed in (4, 4, 5))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_finished_training_is_read_back(name, tmp_path):
    path = tmp_path / "state.safetensors"
    first = fit(name, new_table(), checkpoint=path)
    table = new_table()
    again = fit(name, table, checkpoint=path)
    assert table.calls == 0
    assert all(
        torch.equal(tensor, state_dict(again)[key]) for key, tensor in state_dict(first).items()
    )


@pytest.mark.parametrize("name", list(LEARNERS))
def test_it_leaves_global_randomness_alone(name):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit(name, new_table())
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
