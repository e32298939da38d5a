"""What learners are paid for."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from demagnify.agents.learners import LEARNERS, QLearning, QLearningConfig
from demagnify.agents.rewards import RewardConfig, verdict_rewards

LOGITS = np.array([[3.0, 0.5, -4.0], [-2.0, 0.5, 9.0]], dtype=np.float32)
LABELS = np.array([[1], [0]])


def test_by_default_the_papers_verdicts_are_paid():
    paid = RewardConfig().of(LOGITS, LABELS, 0.5)
    np.testing.assert_array_equal(paid, [[1, -1, -1], [1, 1, -1]])
    np.testing.assert_array_equal(paid, verdict_rewards(LOGITS, LABELS, 0.5))
    assert paid.dtype == np.float32


@pytest.mark.parametrize("kind", ["verdict", "margin", "likelihood"])
def test_a_better_logit_never_earns_less(kind):
    reward = RewardConfig(kind=kind, temperature=2.0)
    logits = np.linspace(-300, 300, 301, dtype=np.float32)
    fake, real = reward.of(logits, 1, 1.0), reward.of(logits, 0, 1.0)
    assert (np.diff(fake) >= 0).all()
    assert (np.diff(real) <= 0).all()
    assert np.isfinite(fake).all()
    assert fake.dtype == np.float32


def test_soft_kinds_have_their_known_values():
    margin, bits = RewardConfig(kind="margin", temperature=2.0), RewardConfig(kind="likelihood")
    assert margin.of([3.0], [1], 1.0) == pytest.approx(np.tanh(1.0))
    assert margin.of([3.0], [0], 1.0) == pytest.approx(-np.tanh(1.0))
    assert bits.of([1.0], [1], 1.0) == pytest.approx(0.0)
    assert bits.of([3.0], [0], 1.0) == pytest.approx(1 + np.log2(1 / (1 + np.exp(2.0))))
    assert bits.of([500.0], [1], 1.0) == pytest.approx(1.0)
    assert bits.of([500.0], [0], 1.0) == bits.floor


def test_relative_rewards_give_zero_to_the_identity():
    paid = RewardConfig(relative=True).of(LOGITS, LABELS, 0.0, original=LOGITS[:, :1])
    np.testing.assert_array_equal(paid, [[0, 0, -2], [0, -2, -2]])


def test_harm_weighs_losses_on_clean_faces_only():
    reward = RewardConfig(harm=1.5)
    clean = np.array([[True], [False]])
    paid = reward.of(LOGITS, LABELS, 0.0, original=LOGITS[:, :1], clean=clean)
    np.testing.assert_array_equal(paid, [[1, 1, 1 - 2.5 * 2], [1, -1, -1]])
    everywhere = reward.of(LOGITS, LABELS, 0.0, original=LOGITS[:, :1])
    np.testing.assert_array_equal(everywhere[1], [1, 1 - 5, 1 - 5])


def test_comparing_needs_something_to_compare_with():
    with pytest.raises(ValueError, match="original faces"):
        RewardConfig(relative=True).of(LOGITS, LABELS, 0.0)


def test_of_a_table_every_logit_must_be_known(table):
    with pytest.raises(ValueError, match="fill"):
        RewardConfig(kind="margin").of_table(table)
    table.fill()
    np.testing.assert_array_equal(RewardConfig().of_table(table), RewardConfig().of_table(table))


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"floor": 1}, {"harm": -1}, {"kind": "x"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        RewardConfig(**wrong)


@pytest.mark.parametrize(
    "reward", [{"kind": "margin"}, {"kind": "likelihood"}, {"relative": True}, {"harm": 2.0}]
)
def test_q_learning_learns_from_any_reward(reward, table, encoder):
    config = QLearningConfig(episodes=2000, hidden=32, reward=RewardConfig(**reward))
    history = QLearning(config).fit(table, encoder).history
    table.fill()
    best = config.reward.of_table(table).max(axis=1).mean()
    assert history[-1].reward > 0.8 * best


def test_every_learner_can_be_paid_otherwise():
    for name in LEARNERS:
        assert LEARNERS.get(name)(None).config.reward == RewardConfig()


@pytest.mark.parametrize("kind", ["verdict", "margin", "likelihood"])
def test_an_adversary_earns_what_swapped_labels_would_earn(kind):
    reward, adversarial = RewardConfig(kind=kind), RewardConfig(kind=kind, adversarial=True)
    np.testing.assert_array_equal(
        adversarial.of(LOGITS, LABELS, 0.0), reward.of(LOGITS, 1 - np.asarray(LABELS), 0.0)
    )
    assert (adversarial.of(LOGITS, LABELS, 0.0) != reward.of(LOGITS, LABELS, 0.0)).any()
