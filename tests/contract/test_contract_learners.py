"""What holds for every registered learner."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demagnify.actions import ActionSet
from demagnify.data.faces import Faces
from demagnify.defense.learned import Learned
from demagnify.defense.learners import LEARNERS, QLearningConfig
from demagnify.defense.reward_table import RewardTable
from demagnify.defense.state import Thumbnail
from demagnify.detectors import wrap

CONFIGS = {"q-learning": QLearningConfig(episodes=600, hidden=16)}
ENCODER = Thumbnail(side=4)


class Brightness(torch.nn.Module):
    """Calls bright images fake."""

    def forward(self, images):
        return (images.float().mean((1, 2, 3)) - 118) / 10


def new_table():
    """Bright and dark faces in both classes; masking darkens, so it mends bright real ones."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 2, size=60)
    grey = np.where(kinds, 120, 180)[:, None, None, None]
    images = (grey + random.integers(-4, 5, size=(60, 3, 32, 32))).astype(np.uint8)
    # Masking takes about 8 % of the light: enough for 120 to fall below 118, not for 180.
    faces = Faces.from_arrays(images, 1 - kinds)
    return RewardTable(
        faces, wrap(Brightness(), name="brightness"), ActionSet.create(["leave", "mask-center"])
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
    best = table.rewards().max(axis=1).mean()
    assert table.rewards()[:, 0].mean() < best == 1.0
    chosen = Learned(trained.policy, ENCODER).choose(table)
    assert table.rewards()[np.arange(60), chosen].mean() == best


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
