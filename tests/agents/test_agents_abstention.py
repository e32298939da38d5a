"""Abstaining where the verdict is uncertain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from toy_world import SIDE, ToyDetector

from demagnify.agents.abstention import AbstainConfig, rejection_limit, with_abstention
from demagnify.agents.config import DefenseConfig, TrainDefenseConfig
from demagnify.agents.defended import DefendedDetector
from demagnify.agents.learners import FullInformationConfig
from demagnify.agents.policies import FixedPolicy
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.states import Thumbnail
from demagnify.agents.training import train_defense
from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.detectors import wrap
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet

ENCODER = Thumbnail(side=2)
NAMES = ["identity", "mask-center", "median"]


def noisy_table(count=2000, seed=0):
    """The farther the logit from the threshold, the more often it is right; sure ones always."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, size=count)
    margin = random.uniform(0, 4, size=count)
    right = random.random(count) < 1 / (1 + np.exp(-3 * margin))
    images = np.full((count, 3, SIDE, SIDE), 100, dtype=np.uint8)
    table = LogitTable(
        FaceDataset.from_arrays(images, labels), ToyDetector(), TransformSet.create(NAMES)
    )
    original = np.where(labels == 1, 1, -1) * np.where(right, margin, -margin)
    others = original[:, None] * np.where(
        random.random((count, 2)) < 0.2 + 0.2 * margin[:, None], 1, -1
    )
    table.logits[:] = np.c_[original, others]
    return table


def predictions_of(config, seed=1):
    policy = with_abstention(FixedPolicy(0), noisy_table(), ENCODER, config)
    table = noisy_table(seed=seed)
    predictions = PolicyPredictor(policy, ENCODER).predict(table)
    return predictions, predictions.fake != (table.labels == 1)


@pytest.mark.parametrize("measure", ["margin", "disagreement"])
def test_the_verdicts_that_are_left_are_better(measure):
    predictions, wrong = predictions_of(AbstainConfig(measure=measure, coverage=0.7))
    assert 0 < predictions.abstained.mean() < 0.5
    assert wrong[~predictions.abstained].mean() < wrong.mean() < wrong[predictions.abstained].mean()
    assert (predictions.calls == (1 if measure == "margin" else 4)).all()


def test_coverage_is_kept_on_the_faces_it_was_set_on():
    predictions, _ = predictions_of(AbstainConfig(coverage=0.8), seed=0)
    assert (~predictions.abstained).mean() == pytest.approx(0.8, abs=0.005)


def test_risk_is_kept_on_the_faces_it_was_set_on_and_nearly_elsewhere():
    config = AbstainConfig(risk=0.05)
    predictions, wrong = predictions_of(config, seed=0)
    assert 0 < wrong[~predictions.abstained].mean() <= 0.05 < wrong.mean()
    predictions, wrong = predictions_of(config, seed=2)
    assert wrong[~predictions.abstained].mean() < 0.1


def test_the_uncertainty_is_the_chance_of_an_error():
    predictions, wrong = predictions_of(AbstainConfig(coverage=0.9))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6)):
        some = (predictions.uncertainty >= low) & (predictions.uncertainty < high)
        assert wrong[some].mean() == pytest.approx(predictions.uncertainty[some].mean(), abs=0.1)


def test_huge_logits_are_no_trouble():
    table = noisy_table()
    table.logits *= 1000
    policy = with_abstention(FixedPolicy(0), table, ENCODER, AbstainConfig(coverage=0.5))
    assert PolicyPredictor(policy, ENCODER).predict(table).abstained.mean() == pytest.approx(
        0.5, abs=0.01
    )


def test_equal_uncertainties_share_their_fate():
    uncertainty = np.array([0.1, 0.2, 0.2, 0.2, 0.9], dtype=np.float32)
    wrong = np.array([False, False, False, True, True])
    assert rejection_limit(uncertainty, wrong, AbstainConfig(risk=0.25)) == pytest.approx(0.2)
    assert rejection_limit(uncertainty, wrong, AbstainConfig(risk=0.2)) == pytest.approx(0.1)
    assert rejection_limit(uncertainty, wrong, AbstainConfig(coverage=0.3)) == pytest.approx(0.2)
    assert rejection_limit(uncertainty, wrong, AbstainConfig(coverage=1.0)) == pytest.approx(0.9)


def test_a_risk_that_nothing_keeps_is_an_error():
    with pytest.raises(BadConfigError, match=r"the least is 0\.5"):
        rejection_limit(
            np.full(4, 0.5, np.float32),
            np.array([True, True, False, False]),
            AbstainConfig(risk=0.1),
        )


@pytest.mark.parametrize("settings", [{}, {"coverage": 0.5, "risk": 0.1}, {"coverage": 0}])
def test_exactly_one_target_is_set(settings):
    with pytest.raises(ValidationError):
        AbstainConfig(**settings)


class Brightness(torch.nn.Module):
    """Calls bright images fake."""

    def forward(self, images):
        return (images.float().mean((1, 2, 3)) - 100) / 10


def test_a_trained_defence_abstains_alike_on_tables_images_and_after_loading(tmp_path):
    random = np.random.default_rng(0)
    light = random.integers(60, 140, size=(100, 1, 1, 1))
    images = (light + random.integers(-20, 20, size=(100, 3, SIDE, SIDE))).astype(np.uint8)
    faces = FaceDataset.from_arrays(images, light.ravel() > random.integers(60, 140, size=100))
    detector = wrap(Brightness(), name="brightness")
    config = DefenseConfig(
        actions=("identity", "mask-center"),
        state="thumbnail-8",
        learner=FullInformationConfig(hidden=16, epochs=3),
        abstain=AbstainConfig(coverage=0.6, held_out=0.4),
    )
    (trained,) = train_defense(
        faces, tmp_path / "defense", TrainDefenseConfig(**dict(config)), detector=detector
    )
    defended = trained.defended
    decisions = defended.decide(faces.batch(range(len(faces))))
    assert 0 < decisions.abstained.float().mean() < 1
    table = LogitTable(faces, detector, defended.actions)
    predictions = PolicyPredictor(defended.policy, defended.encoder).predict(table)
    assert predictions.abstained.tolist() == decisions.abstained.tolist()
    assert predictions.uncertainty.tolist() == decisions.uncertainty.tolist()
    loaded = DefendedDetector.load(tmp_path / "defense", detector=detector)
    again = loaded.decide(faces.batch(range(len(faces))))
    assert again.abstained.tolist() == decisions.abstained.tolist()
    assert again.logits.tolist() == decisions.logits.tolist()


def test_without_it_the_verdict_is_always_given(faces, detector, tmp_path):
    config = DefenseConfig(learner=FullInformationConfig(hidden=8, epochs=1), state="thumbnail-8")
    (trained,) = train_defense(
        faces, tmp_path / "defense", TrainDefenseConfig(**dict(config)), detector=detector
    )
    assert trained.defended.decide(faces.batch([0])).abstained is None
