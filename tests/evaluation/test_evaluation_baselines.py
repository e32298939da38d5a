"""Baselines and controls: each does what its name says, and learns from what it is given alone."""

import numpy as np
import pytest
import torch

from demagnify.agents.learners import FullInformation, TrainedPolicy
from demagnify.agents.policies import FixedPolicy
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import Spectrum
from demagnify.agents.states import create as create_state
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.evaluation.baselines import networks
from demagnify.evaluation.baselines.cached_state import CachedState
from demagnify.evaluation.baselines.fitted import (
    GreedySearch,
    Router,
    Stacking,
    calibrated_likelihood,
)
from demagnify.evaluation.baselines.pool import Pool
from demagnify.evaluation.baselines.simple import AverageActions, Constant
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

COUNT = 80


class Mute(torch.nn.Module):
    """A detector that is never asked."""

    threshold = 0.5
    device = torch.device("cpu")

    def logits(self, images, *, batch_size=64):
        raise AssertionError("a filled table asks nobody")


def table_of(pixels, logits, labels=None):
    labels = np.tile([0, 1], COUNT // 2) if labels is None else labels
    groups = np.array([f"g{number // 2}" for number in range(COUNT)])
    faces = FaceDataset.from_arrays(pixels, labels, groups=groups)
    actions = ["identity", "mask-center", "identity+identity"]
    table = LogitTable(faces, Mute(), TransformSet.create(actions))
    table.logits[:] = logits
    return table


@pytest.fixture
def pool():
    """Clean faces are noisy, and right when left; attacked ones smooth, and right when masked."""
    random = np.random.default_rng(0)
    labels = np.tile([0, 1], COUNT // 2)
    truth = np.where(labels == 1, 2.0, -1.0) + random.normal(0, 0.1, COUNT)
    noise = random.normal(0, 1, COUNT)
    noisy = random.integers(0, 255, (COUNT, 3, 16, 16), dtype=np.uint8)
    smooth = np.broadcast_to(noisy[:, :, :1, :1], noisy.shape).copy()
    clean = table_of(noisy, np.stack([truth, noise, truth + 0.5], axis=1))
    attacked = table_of(smooth, np.stack([noise, truth + 3.0, noise + 0.5], axis=1))
    return Pool.of({"none": clean, "net-x2": attacked})


def right(defense, table):
    return (defense.predict(table).fake == (table.labels == 1)).mean()


def test_a_pool_holds_every_condition_and_gives_parts_of_itself(pool):
    assert pool.attacked.tolist() == [False] * COUNT + [True] * COUNT
    rows = np.array([3, COUNT + 5, 0])
    part = pool.rows(rows)
    assert part.conditions.tolist() == ["none", "net-x2", "none"]
    np.testing.assert_array_equal(part.table.logits, pool.table.logits[rows])
    assert torch.equal(part.table.faces.batch([0, 1, 2]), pool.table.faces.batch(rows))
    assert torch.equal(part.table.faces.batch([1]), pool.table.faces.batch([COUNT + 5]))


def test_the_router_tells_attacked_faces_and_gives_each_branch_its_own(pool):
    router = Router.fit(pool, Spectrum())
    assert [branch.action for branch in router.branches] == [0, 1]
    assert router.branches[1].threshold > 2  # masking moved the attacked faces' scores up
    predictions = router.predict(pool.table)
    np.testing.assert_array_equal(predictions.actions, pool.attacked)
    assert right(router, pool.table) == 1.0


def test_stacking_weighs_all_logits(pool):
    stacking = Stacking.fit(pool)
    assert right(stacking, pool.table) > right(AverageActions(), pool.table)
    assert stacking.predict(pool.table).calls.tolist() == [2] * (
        2 * COUNT
    )  # an identity costs nothing


def test_greedy_search_takes_what_helps_and_stops(pool):
    clean = pool.rows(np.arange(COUNT))
    found = GreedySearch.fit(clean)
    assert set(found.actions) <= {0, 2}
    attacked = GreedySearch.fit(pool.rows(np.arange(COUNT, 2 * COUNT)))
    assert set(attacked.actions) == {1}
    assert attacked.predict(pool.table).calls.tolist() == [1] * (2 * COUNT)


def test_calibrated_likelihood_forgives_confidence_but_not_disorder():
    labels = np.array([0, 0, 1, 1])
    sure, timid = np.array([0.01, 0.2, 0.8, 0.99]), np.array([0.45, 0.48, 0.52, 0.55])
    tilted = np.array([0.01, 0.9, 0.8, 0.99])
    assert calibrated_likelihood(timid, labels) > calibrated_likelihood(tilted, labels)
    assert calibrated_likelihood(sure, labels) > -0.05


def test_a_constant_says_the_same_of_all_and_asks_nobody(pool):
    for label in (0, 1):
        predictions = Constant(label).predict(pool.table)
        assert predictions.fake.tolist() == [bool(label)] * (2 * COUNT)
        assert not predictions.calls.any()


def test_the_agents_network_as_a_detector_sees_pixels_and_no_logit(pool):
    random = np.random.default_rng(1)
    labels = np.tile([0, 1], COUNT // 2)
    flat = np.full((COUNT, 3, 16, 16), 120, dtype=np.uint8)
    rough = random.integers(0, 255, flat.shape, dtype=np.uint8)
    pixels = np.where(labels[:, None, None, None] == 1, rough, flat)
    table = table_of(pixels, random.normal(size=(COUNT, 3)))
    seen = Pool(table, np.array(["none"] * COUNT))
    detector = networks.DirectDetector.fit(seen, Spectrum(), seed=0)
    assert right(detector, table) == 1.0
    table.logits[:] = -table.logits
    assert right(detector, table) == 1.0
    assert not detector.predict(table).calls.any()


def test_the_p_control_cannot_tell_faces_of_one_logit_apart(pool):
    control = networks.best_of_logit(pool, seed=0)
    same = table_of(np.zeros((COUNT, 3, 16, 16), np.uint8), np.full((COUNT, 3), 0.7))
    other = table_of(np.full((COUNT, 3, 16, 16), 200, np.uint8), np.full((COUNT, 3), 0.7))
    chosen = [control.predict(table).actions for table in (same, other)]
    assert len(set(chosen[0]) | set(chosen[1])) == 1


def test_shuffled_rewards_are_those_of_other_faces_with_their_labels(pool, monkeypatch):
    given = []

    def fit_rewards(learner, table, encoder, rewards, *, seed):
        given.append((table, rewards))
        return TrainedPolicy(policy=FixedPolicy(0), history=())

    monkeypatch.setattr(FullInformation, "fit_rewards", fit_rewards)
    networks.shuffled_reward(pool, Spectrum(), seed=0)
    ((table, rewards),) = given
    order = generator(0, "shuffled-reward").permutation(2 * COUNT)
    own = RewardConfig().of_table(pool.table)
    assert not np.array_equal(order, np.arange(2 * COUNT))
    np.testing.assert_array_equal(rewards, own[order])
    np.testing.assert_array_equal(table.labels, pool.table.labels[order])
    np.testing.assert_array_equal(table.logits, pool.table.logits)
    assert table.faces.images is pool.table.faces.images


def test_a_network_that_sees_the_logit_is_trained_on_the_detectors_logits():
    labels = np.tile([0, 1], COUNT // 2)
    logits = np.where(labels == 1, 2.0, -1.0)[:, None] + np.zeros((COUNT, 3))
    table = table_of(np.zeros((COUNT, 3, 16, 16), np.uint8), logits)
    seen = Pool(table, np.array(["none"] * COUNT))
    detector = networks.DirectDetector.fit(seen, create_state("logit"), seed=0)
    assert right(detector, table) == 1.0


def test_shuffled_rewards_teach_no_connection_with_the_face(pool):
    taught = networks.top_k(pool, Spectrum(), seed=0)
    assert taught.policy.k == 3
    control = networks.shuffled_reward(pool, Spectrum(), seed=0)
    actions = control.predict(pool.table).actions
    clean, attacked = (
        np.bincount(actions[rows], minlength=3) for rows in (~pool.attacked, pool.attacked)
    )
    assert np.abs(clean - attacked).sum() < COUNT  # the real agent would part them wholly


def test_what_was_seen_once_is_not_computed_again():
    seen = []

    class Counted(Spectrum):
        def encode(self, images, opinion):
            seen.append(len(images))
            return super().encode(images, opinion)

    encoder = CachedState(Counted())
    images = torch.randint(0, 255, (5, 3, 16, 16), dtype=torch.uint8)
    first = encoder(images)
    again = encoder(images[[4, 0]])
    assert seen == [5]
    assert torch.equal(again, first[[4, 0]])
    torch.testing.assert_close(first, Spectrum()(images))
    assert encoder(images[:0]).shape == (0, encoder.size(16))
