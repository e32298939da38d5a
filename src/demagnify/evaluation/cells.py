"""One method under one condition: its predictions, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.predictors import Predictions
from demagnify.data.subsample import spread_evenly
from demagnify.evaluation.bootstrap import Measured
from demagnify.evaluation.methods import Method
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.records import none_if_nan
from demagnify.evaluation.results import ADAPTIVE, Abstention
from demagnify.evaluation.selective import aurc, coverage_and_risks, risk_coverage

Weights = NDArray[np.uint16]
_CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class SeedPredictions:
    """The predictions of one training of a method.

    Attributes:
        name: The method's, with the training's number where there are several.
        predictions: One per face.
        scores: The same with labels.
        actions: The names of the transforms that the method chooses from.
    """

    name: str
    predictions: Predictions
    scores: Scores
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvaluatedCell:
    """The predictions of one method under one condition, measured.

    Attributes:
        condition: The condition.
        method: The method's name.
        seeds: One training, or several with different seeds.
        measured: The figures; the mean over the trainings.
    """

    condition: str
    method: str
    seeds: tuple[SeedPredictions, ...]
    measured: Measured

    @property
    def predictions(self) -> Predictions:
        """The predictions of the first training."""
        return self.seeds[0].predictions

    @property
    def passes(self) -> float | None:
        """Detector passes per face, on average; None if they were not counted."""
        calls = [seed.predictions.calls for seed in self.seeds]
        counted = [float(one.mean()) for one in calls if one is not None]
        return float(np.mean(counted)) if len(counted) == len(calls) else None

    def abstention(self) -> Abstention | None:
        """Returns coverage and risk of the first training; None if it always gives a verdict."""
        correct = self.seeds[0].scores.correct
        unsure, uncertainty = self.predictions.abstained, self.predictions.uncertainty
        if unsure is None:
            return None
        coverage, risk, rejected_risk = coverage_and_risks(correct, unsure)
        return Abstention(
            coverage=coverage,
            risk=none_if_nan(risk),
            rejected_risk=none_if_nan(rejected_risk),
            aurc=None if uncertainty is None else aurc(correct, uncertainty),
            curve=() if uncertainty is None else _curve(correct, uncertainty),
        )


def evaluate_cell(
    split: str, condition: str, method: Method, weights: Weights, seed: int
) -> EvaluatedCell:
    """Evaluates a method; each of its trainings reads the tables of its own detector.

    `weights` are the resamples, (B, N); `seed` draws among several trainings.
    """
    found = []
    for number, one in enumerate(method.seeds):
        table = one.tables[split][condition]
        name = f"{method.name} #{number + 1}" if len(method.seeds) > 1 else method.name
        names = tuple(table.transforms.names)
        found.append(_seed(name, one.defense.predict(table), table.labels, names))
    return _cell(condition, method.name, found, weights, seed)


def evaluate_adaptive(cells: Sequence[EvaluatedCell], weights: Weights, seed: int) -> EvaluatedCell:
    """Returns a method's cell against an attacker who knows it; see `worst_of`."""
    first = cells[0]
    found = []
    for number, one in enumerate(first.seeds):
        labels = one.scores.labels
        worst = worst_of([cell.seeds[number].predictions for cell in cells], labels)
        found.append(_seed(one.name, worst, labels, one.actions))
    return _cell(ADAPTIVE, first.method, found, weights, seed)


def worst_of(predictions: Sequence[Predictions], labels: NDArray[np.int64]) -> Predictions:
    """Returns a method's predictions under the attack that hurts it most, for each face.

    The logits of a method under every attack are known, so its worst case needs no further pass
    of the detector: the lowest logit of a fake face, the highest of a real one. The clean face is
    among the choices, so that n attacks cost the attacker n + 1 queries. Unlike other conditions,
    this one holds different images for every method.

    Args:
        predictions: Of one method on the same N faces, clean and under each attack, all with one
            threshold.
        labels: int64 (N,), 0 real and 1 fake.

    Raises:
        ValueError: If the thresholds differ.
    """
    first = predictions[0]
    if any(one.threshold != first.threshold for one in predictions):
        raise ValueError("logits under different attacks have different thresholds")
    logits = np.stack([one.logits for one in predictions])
    worst = np.where(labels == 1, logits, -logits).argmin(axis=0)
    faces = np.arange(len(labels))

    def taken(part: Callable[[Predictions], NDArray[Any] | None]) -> NDArray[Any] | None:
        there = [found for one in predictions if (found := part(one)) is not None]
        return np.stack(there)[worst, faces] if len(there) == len(predictions) else None

    return Predictions(
        logits=logits[worst, faces],
        actions=taken(lambda one: one.actions),
        threshold=first.threshold,
        abstained=taken(lambda one: one.abstained),
        uncertainty=taken(lambda one: one.uncertainty),
        calls=taken(lambda one: one.calls),
    )


def _cell(
    condition: str, name: str, seeds: Sequence[SeedPredictions], weights: Weights, seed: int
) -> EvaluatedCell:
    measured = Measured.averaged([Measured.over(one.scores, weights) for one in seeds], seed)
    return EvaluatedCell(condition, name, tuple(seeds), measured)


def _seed(
    name: str, predictions: Predictions, labels: NDArray[np.int64], actions: tuple[str, ...]
) -> SeedPredictions:
    # Logits are float32. A float64 threshold would decide a tie with it by rounding.
    threshold = float(np.float32(predictions.threshold))
    return SeedPredictions(
        name, predictions, Scores(labels, predictions.logits, threshold), actions
    )


def _curve(
    correct: NDArray[np.bool_], uncertainty: NDArray[np.float32]
) -> tuple[tuple[float, float], ...]:
    curve = risk_coverage(correct, uncertainty)
    kept = spread_evenly(len(curve.coverage), _CURVE_POINTS)
    pairs = zip(curve.coverage[kept].tolist(), curve.risk[kept].tolist(), strict=True)
    return tuple(pairs)
