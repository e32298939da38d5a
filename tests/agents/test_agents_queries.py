"""Live detector, logit table and environment agree, also where a transform changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_world import ToyNetwork

from demagnify.agents import states
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.environment import DefenseEnv
from demagnify.agents.policies import FixedPolicy, Policy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.detectors import wrap
from demagnify.scores import LiveLogits, LogitTable
from demagnify.transforms import TransformSet

TRANSFORMS = (
    "identity",
    "identity+identity",
    "mask-center",
    "identity+identity+identity",
    "flip",
)


class ByTurns(Policy):
    """Draws an action from the state's numbers, so that each occurs."""

    name = "by-turns"

    def forward(self, states):
        return (states.sum(1) * 1000).long().abs() % len(TRANSFORMS)

    def settings(self):
        return {}


class Counting(ToyNetwork):
    calls = 0

    def forward(self, images):
        self.calls += len(images)
        return super().forward(images)


@pytest.fixture(name="network")
def _network():
    return Counting()


@pytest.fixture(name="transforms")
def _transforms():
    return TransformSet.create(TRANSFORMS)


def test_lookup_fill_and_live_logits_agree(faces, network, transforms):
    detector = wrap(network, name="counting")
    filled, lazy = (LogitTable(faces, detector, transforms) for _ in range(2))
    live = LiveLogits(faces, detector, transforms)
    filled.fill()
    count = len(faces) * len(transforms)
    indices, numbers = np.divmod(np.random.default_rng(0).permutation(count), len(transforms))
    expected = live.lookup(indices, numbers)
    np.testing.assert_array_equal(lazy.lookup(indices, numbers), expected)
    np.testing.assert_array_equal(filled.lookup(indices, numbers), expected)
    np.testing.assert_array_equal(filled.logits[:, 1], filled.logits[:, 0])
    np.testing.assert_array_equal(filled.logits[:, 3], filled.logits[:, 0])
    assert lazy.filled


def test_a_table_classifies_unchanged_pixels_once(faces, network, transforms):
    table = LogitTable(faces, wrap(network, name="counting"), transforms)
    table.lookup([3, 3, 4], [1, 3, 1])
    assert network.calls == 2
    assert not np.isnan(table.logits[3, [0, 1, 3]]).any()
    table.fill()
    assert table.filled
    assert network.calls == table.calls == 3 * len(faces)


@pytest.mark.parametrize("spec", ["thumbnail-4", "thumbnail-4+logit"])
def test_the_defended_detector_and_the_table_agree(spec, faces, network, transforms):
    detector = wrap(network, name="counting")
    encoder = states.create(spec)
    defended = DefendedDetector(detector, transforms, encoder, ByTurns(), input_size=faces.size)
    images = faces.batch(np.arange(len(faces)))
    decisions = defended.decide(images, undefended=True)
    counted = network.calls
    table = LogitTable(faces, detector, transforms)
    table.fill()
    predictions = PolicyPredictor(ByTurns(), encoder).predict(table)
    assert set(predictions.actions.tolist()) == set(range(len(TRANSFORMS)))
    np.testing.assert_array_equal(decisions.actions, predictions.actions)
    np.testing.assert_array_equal(decisions.logits, predictions.logits)
    np.testing.assert_array_equal(decisions.calls, predictions.calls)
    np.testing.assert_array_equal(decisions.undefended, table.logits[:, 0])
    changed = int(np.isin(predictions.actions, [2, 4]).sum())
    if spec == "thumbnail-4+logit":
        assert counted == decisions.calls.sum() == len(faces) + changed
    else:
        assert decisions.calls.tolist() == [1] * len(faces)


def test_steps_of_an_episode_build_on_each_other(faces, network, transforms):
    detector = wrap(network, name="counting")
    environments = [
        DefenseEnv(kind(faces, detector, transforms), states.create("thumbnail-4"), max_steps=3)
        for kind in (LogitTable, LiveLogits)
    ]
    plain = ToyNetwork()(transforms[4](transforms[2](faces.batch([5]))))
    for environment in environments:
        for _ in range(2):
            environment.reset(options={"face": 5})
            for action in (1, 2, 4):
                *_, ended, _, info = environment.step(np.int64(action))
            assert ended
            assert info["logit"] == pytest.approx(float(plain))


def test_a_card_brings_actions_and_state_back(faces, network, transforms, tmp_path):
    detector = wrap(network, name="counting")
    encoder = states.create("thumbnail-4+logit")
    defended = DefendedDetector(
        detector, transforms, encoder, FixedPolicy(4), input_size=faces.size
    )
    defended.save(tmp_path / "defense", {})
    again = DefendedDetector.load(tmp_path / "defense", detector=detector)
    assert list(again.actions) == list(transforms)
    assert again.encoder == encoder
    images = faces.batch(np.arange(5))
    assert torch.equal(again(images), defended(images))
