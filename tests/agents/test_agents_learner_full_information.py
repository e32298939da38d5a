"""The learners that fit a network to every reward at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_world import ToyDetector, toy_faces

from demagnify.agents.learners import (
    CostSensitive,
    CostSensitiveConfig,
    FullInformation,
    FullInformationConfig,
    PolicyGradient,
    PolicyGradientConfig,
    TopK,
    TopKConfig,
)
from demagnify.agents.learners.full_information import Weighting
from demagnify.agents.policies import TopKPolicy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.q_network import QNetwork
from demagnify.agents.rewards import RewardConfig
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.data.subsample import hold_out
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

ALL = [
    (FullInformation, FullInformationConfig),
    (PolicyGradient, PolicyGradientConfig),
    (CostSensitive, CostSensitiveConfig),
    (TopK, TopKConfig),
]
ids = [learner.__name__ for learner, _ in ALL]


def filled(count=160, seed=0, actions=("identity", "mask-center", "median")):
    faces, _ = toy_faces(count, seed=seed)
    table = LogitTable(faces, ToyDetector(), TransformSet.create(list(actions)))
    table.fill()
    return table


def right(table, policy, encoder):
    return (PolicyPredictor(policy, encoder).predict(table).fake == (table.labels == 1)).mean()


@pytest.mark.parametrize(("learner", "config"), ALL, ids=ids)
@pytest.mark.parametrize(
    "reward",
    [{}, {"kind": "margin"}, {"kind": "likelihood"}, {"relative": True, "harm": 0.5}],
    ids=["verdict", "margin", "likelihood", "relative"],
)
def test_it_beats_every_fixed_action_on_faces_it_has_not_seen(learner, config, reward, encoder):
    settings = config(hidden=32, learning_rate=3e-3, reward=RewardConfig(**reward))
    if learner is TopK:
        settings = settings.model_copy(update={"k": 1})
    unseen = filled(seed=9)
    policy = learner(settings).fit(filled(), encoder).policy
    fixed = (RewardConfig().of_table(unseen).mean(axis=0).max() + 1) / 2
    assert fixed < 0.7
    assert right(unseen, policy, encoder) == 1.0


def test_each_loss_is_least_where_the_best_action_leads():
    rewards = torch.tensor([[1.0, -1.0, -1.0]])
    for learner, _ in ALL:
        good, bad = (
            learner().loss(torch.tensor([scores]), rewards)
            for scores in ([1.0, -1.0, -1.0], [-1.0, 1.0, 1.0])
        )
        assert good.shape == (1,)
        assert good < bad


def test_the_policy_gradient_is_that_of_the_expected_reward():
    learner = PolicyGradient(PolicyGradientConfig(entropy=0.0))
    scores = torch.tensor([[0.3, -0.2, 1.1]], requires_grad=True)
    rewards = torch.tensor([[1.0, -1.0, 0.5]])
    learner.loss(scores, rewards).backward()
    chances = torch.softmax(scores.detach(), dim=1)
    expected = (chances * rewards).sum()
    torch.testing.assert_close(scores.grad, -chances * (rewards - expected))


def test_entropy_is_a_bonus():
    flat, sharp = torch.zeros(1, 3), torch.tensor([[9.0, 0.0, 0.0]])
    learner = PolicyGradient(PolicyGradientConfig(entropy=1.0))
    assert learner.loss(flat, torch.zeros(1, 3)) < learner.loss(sharp, torch.zeros(1, 3))


def test_faces_on_which_all_actions_earn_the_same_teach_no_costs():
    scores = torch.randn(4, 3, requires_grad=True)
    CostSensitive().loss(scores, torch.full((4, 3), -1.0)).sum().backward()
    assert not scores.grad.any()


def test_top_k_averages_the_logits_of_its_best_actions(encoder):
    table = filled()
    policy = TopK(TopKConfig(k=2)).fit(table, encoder).policy
    predictions = PolicyPredictor(policy, encoder).predict(table)
    best = policy.views(encoder(torch.from_numpy(table.faces.images))).numpy()
    expected = np.take_along_axis(table.logits, best, axis=1).mean(axis=1)
    np.testing.assert_allclose(predictions.logits, expected, rtol=1e-6)
    assert (predictions.calls == 2).all()
    np.testing.assert_array_equal(predictions.actions, best[:, 0])


def test_of_equally_valued_actions_top_k_takes_the_first(encoder):
    network = QNetwork(12, 5, hidden=4)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    assert TopKPolicy(3, network).views(torch.rand(4, 12)).tolist() == [[0, 1, 2]] * 4


def test_more_best_actions_than_there_are_is_refused_before_the_detector_runs(encoder):
    faces, _ = toy_faces(20)
    table = LogitTable(faces, ToyDetector(), TransformSet.create(["identity", "mask-center"]))
    with pytest.raises(BadConfigError, match="best 3 of 2"):
        TopK().fit(table, encoder)
    assert table.calls == 0


def test_it_ends_early_and_keeps_its_best_weights(encoder):
    table = filled()
    noise = np.random.default_rng(0).normal(size=table.logits.shape).astype(np.float32)
    table.logits[:] = noise  # nothing can be learned, so every further pass is one too many
    config = FullInformationConfig(epochs=200, patience=3, weight_decay=0.0)
    history = FullInformation(config).fit(table, encoder).history
    assert len(history) < 100


def test_without_groups_to_hold_out_it_learns_all_the_same(encoder):
    table = filled()
    table.faces.groups[:] = "one"
    config = FullInformationConfig(learning_rate=3e-3)
    assert right(table, FullInformation(config).fit(table, encoder).policy, encoder) == 1.0


def test_another_training_is_refused(encoder, tmp_path):
    path = tmp_path / "state.safetensors"
    FullInformation(FullInformationConfig(epochs=1)).fit(filled(), encoder, checkpoint=path)
    clean = np.full(160, "none")
    for config, options in [
        (FullInformationConfig(epochs=2), {}),
        (FullInformationConfig(epochs=1), {"seed": 1}),
        (FullInformationConfig(epochs=1), {"conditions": clean}),
    ]:
        with pytest.raises(BadArtifactError, match="another training"):
            FullInformation(config).fit(filled(), encoder, checkpoint=path, **options)


def test_groups_are_held_out_whole():
    groups = np.array([f"g{number // 3}" for number in range(60)])
    kept, held = hold_out(groups, 0.25, seed=0, purpose="test")
    assert len(held) == 15
    assert not set(groups[kept]) & set(groups[held])
    np.testing.assert_array_equal(np.sort(np.r_[kept, held]), np.arange(60))
    again, _ = hold_out(groups, 0.25, seed=0, purpose="test")
    other, _ = hold_out(groups, 0.25, seed=1, purpose="test")
    np.testing.assert_array_equal(kept, again)
    assert not np.array_equal(kept, other)


def test_one_group_always_stays():
    kept, held = hold_out(np.array(["a", "b"]), 0.99, seed=0, purpose="test")
    assert len(kept) == len(held) == 1
    kept, held = hold_out(np.array(["a", "a"]), 0.5, seed=0, purpose="test")
    assert (len(kept), len(held)) == (2, 0)


def weighting(rate=1.0, balance=True):
    rewards = np.array([[1, -1], [1, -1], [-1, 1], [-1, 1], [-1, -1]], dtype=np.float32)
    labels = np.array([0, 0, 0, 0, 1])
    conditions = np.array(["none", "none", "sr", "sr", "sr"])
    return Weighting(labels, conditions, rewards, balance=balance, rate=rate)


def test_classes_weigh_the_same():
    weights = weighting().of_faces()
    assert weights[:4].sum() == pytest.approx(weights[4]) == pytest.approx(2.5)
    assert (weighting(balance=False).of_faces() == 1).all()


def test_weight_moves_to_the_condition_in_which_the_policy_falls_short():
    some = weighting(balance=False)
    rows, chosen = np.arange(5), np.zeros(5, dtype=np.int64)
    np.testing.assert_allclose(some.shortfall(rows, chosen), [0, 4 / 3], atol=1e-6)
    before = some.of_faces()
    some.move(rows, chosen)
    after = some.of_faces()
    assert after[2] > before[2]
    assert after[0] < before[0]
    still = weighting(rate=0.0, balance=False)
    still.move(rows, chosen)
    np.testing.assert_array_equal(still.of_faces(), before)


def test_the_worst_case_is_served_where_the_mean_forgets_it(encoder):
    """One attacked face in ten wants the mask; the agent sees nothing that tells which."""
    faces, _ = toy_faces(200)
    table = LogitTable(faces, ToyDetector(), TransformSet.create(["identity", "mask-center"]))
    rare = np.arange(200) % 10 == 0
    margin = (
        np.where(rare[:, None], [-4.0, 4.0], [1.0, -1.0]) * np.where(table.labels, 1, -1)[:, None]
    )
    table.logits[:] = margin
    images = np.full_like(table.faces.images, 128)
    blind = table.faces.with_images(images)
    table.faces = blind
    conditions = np.where(rare, "sr", "none")

    def masked(rate):
        config = FullInformationConfig(
            worst_case=rate, epochs=30, patience=30, held_out=0.0, learning_rate=1e-2
        )
        trained = FullInformation(config).fit(table, encoder, conditions=conditions)
        return max(point.actions[1] for point in trained.history[5:])

    assert masked(0.0) == 0.0
    assert masked(1.0) == 1.0


def test_the_result_does_not_depend_on_the_number_of_threads(encoder):
    before = torch.get_num_threads()
    weights = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            policy = FullInformation(FullInformationConfig(epochs=3)).fit(filled(), encoder).policy
            assert torch.get_num_threads() == threads
            weights.append(policy.state_dict())
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
