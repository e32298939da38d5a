"""What holds for every registered policy."""

from __future__ import annotations

import pytest
import torch

from demagnify.agents.policies import (
    POLICIES,
    AbstainingPolicy,
    FixedPolicy,
    GreedyQPolicy,
    MarginCascade,
    MeanOfViews,
    Policy,
    RandomPolicy,
    SequentialPolicy,
    TopKPolicy,
)
from demagnify.agents.q_network import QNetwork

STATE, TRANSFORMS = 12, 3


def make(name):
    made = {
        "fixed": FixedPolicy(2),
        "random": RandomPolicy(TRANSFORMS, seed=5),
        "margin-cascade": MarginCascade(TRANSFORMS, 0.5),
        "mean-of-views": MeanOfViews(TRANSFORMS),
        "greedy-q": GreedyQPolicy(QNetwork(STATE, TRANSFORMS, hidden=4, seed=1)),
        "top-k": TopKPolicy(2, QNetwork(STATE, TRANSFORMS, hidden=4, seed=1)),
        "sequential": SequentialPolicy(
            2, True, QNetwork(STATE + 2 * TRANSFORMS, TRANSFORMS + 2, hidden=4, seed=1)
        ),
        "abstaining": AbstainingPolicy(
            GreedyQPolicy(QNetwork(STATE, TRANSFORMS, hidden=4, seed=1)),
            measure="disagreement",
            actions=TRANSFORMS,
            limit=0.6,
        ),
    }
    return made[name]


class Detector:
    """Has an answer ready for every state and action, and keeps count of what it was asked."""

    def __init__(self, states):
        weights = torch.randn(STATE, TRANSFORMS, generator=torch.Generator().manual_seed(3))
        self.answers = states @ weights
        self.asked = torch.zeros(len(states), dtype=torch.int64)

    def __call__(self, rows, actions):
        assert torch.equal(rows, rows.unique(sorted=True))
        self.asked[rows] += 1
        return self.answers[rows, actions]


@pytest.fixture(name="states")
def some_states():
    return torch.rand(64, STATE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", list(POLICIES))
def test_one_known_action_per_state(name, states):
    actions = make(name)(states)
    assert actions.shape == (64,)
    assert actions.dtype == torch.int64
    assert 0 <= actions.min() <= actions.max() < TRANSFORMS
    assert not actions.requires_grad


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_batch_is_its_states_one_by_one(name, states):
    policy = make(name)
    assert torch.equal(policy(states), torch.cat([policy(state[None]) for state in states]))


@pytest.mark.parametrize("name", list(POLICIES))
def test_no_states_no_actions(name):
    assert make(name)(torch.zeros(0, STATE)).shape == (0,)
    nobody = torch.zeros(0, STATE)
    assert make(name).decide(nobody, Detector(nobody), 0.0).logits.shape == (0,)


@pytest.mark.parametrize("name", list(POLICIES))
def test_verdicts_tell_what_they_cost(name, states):
    detector = Detector(states)
    verdicts = make(name).decide(states, detector, 0.2)
    assert verdicts.logits.dtype == torch.float32
    assert torch.isfinite(verdicts.logits).all()
    assert torch.equal(verdicts.calls, detector.asked)
    assert 0 <= verdicts.actions.min() <= verdicts.actions.max() < TRANSFORMS


@pytest.mark.parametrize("name", list(POLICIES))
def test_verdicts_in_a_batch_are_those_one_by_one(name, states):
    policy, detector = make(name), Detector(states)
    together = policy.decide(states, detector, 0.2)
    for row in range(8):
        alone = policy.decide(
            states[row : row + 1],
            lambda rows, actions, row=row: detector(rows + row, actions),
            0.2,
        )
        torch.testing.assert_close(alone.logits[0], together.logits[row])
        assert alone.actions[0] == together.actions[row]
        assert alone.abstained is None or alone.abstained[0] == together.abstained[row]


@pytest.mark.parametrize("name", list(POLICIES))
def test_settings_and_weights_make_it_again(name, states):
    policy = make(name)
    again = Policy.create(name, policy.settings())
    again.load_state_dict(policy.state_dict())
    assert torch.equal(policy(states), again(states))


def test_random_is_uniform_and_follows_its_seed(states):
    many = torch.rand(3000, STATE, generator=torch.Generator().manual_seed(1))
    counts = torch.bincount(RandomPolicy(TRANSFORMS, seed=0)(many), minlength=TRANSFORMS)
    assert counts.min() > 900
    one, other = RandomPolicy(TRANSFORMS, seed=0)(states), RandomPolicy(TRANSFORMS, seed=1)(states)
    assert not torch.equal(one, other)


def test_greedy_takes_the_first_of_equals(states):
    network = QNetwork(STATE, TRANSFORMS, hidden=4)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    assert (GreedyQPolicy(network)(states) == 0).all()
