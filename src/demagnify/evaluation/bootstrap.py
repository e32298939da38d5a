"""Confidence intervals by a bootstrap over groups.

Faces of one group (a photograph, a video, a pair) resemble one another, so that resampling single
faces would give too narrow an interval. Whole groups are drawn with replacement instead, and every
cell of a split sees the same draws: a difference between two cells is then the difference of
paired resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demagnify.core import rng as randomness
from demagnify.evaluation.metrics import COLUMN, Floats, MetricName, Scores
from demagnify.evaluation.records import Estimate, none_if_nan

_MIN_SHARE_DEFINED: Final = 0.5
NO_FACE: Final = "there is no such face"
_NO_DAMAGE: Final = 1e-9
"""A smaller difference is what rounding leaves between two means of the same verdicts."""


class GroupResamples:
    """B ways to draw as many groups as there are, with replacement.

    Args:
        groups: (N,), the group of each face.
        count: B, how many resamples are drawn.
        seed: Same seed, same draws.
    """

    def __init__(self, groups: ArrayLike, *, count: int = 1000, seed: int = 0) -> None:
        names, self._group_of_face = np.unique(np.asarray(groups), return_inverse=True)
        self.groups = len(names)
        generator = randomness.generator(seed, "bootstrap")
        chances = np.full(self.groups, 1.0 / self.groups)
        self._draws = generator.multinomial(self.groups, chances, size=count).astype(np.uint16)

    def weights(self) -> NDArray[np.uint16]:
        """Returns how often each face counts in each resample: (B, N)."""
        return self._draws[:, self._group_of_face]


@dataclass(frozen=True, slots=True)
class Measured:
    """All metrics of one cell, over all faces and in every resample.

    Attributes:
        scores: The faces' scores.
        point: (M,), columns as in `METRICS`.
        samples: (B, M), the same in each resample.
    """

    scores: Scores
    point: Floats
    samples: Floats

    @classmethod
    def over(cls, scores: Scores, resamples: NDArray[np.uint16]) -> Measured:
        """Measures `scores` over all faces and under the weights (B, N) of `resamples`."""
        return cls(scores, scores.weighted()[0], scores.weighted(resamples))

    @classmethod
    def averaged(cls, parts: Sequence[Measured], seed: int) -> Measured:
        """Returns the mean over several trainings of one method, measured on the same faces.

        Each resample draws as many trainings as there are, with replacement, beside its groups, so
        that the intervals hold both kinds of chance. The scores are those of the first training.

        Args:
            parts: The trainings, at least one.
            seed: Of the draws.
        """
        if len(parts) == 1:
            return parts[0]
        samples = np.stack([part.samples for part in parts])
        generator = randomness.generator(seed, "bootstrap-seeds")
        drawn = generator.integers(len(parts), size=(samples.shape[1], len(parts)))
        taken = samples[drawn, np.arange(samples.shape[1])[:, None]]
        point = np.mean([part.point for part in parts], axis=0)
        return cls(parts[0].scores, point, taken.mean(axis=1))

    def intervals(self, confidence: float) -> dict[MetricName, Estimate]:
        """Returns every metric with its percentile interval."""
        return _intervals(self.point, self.samples, confidence, self.scores.undefined())

    def minus(self, other: Measured, confidence: float) -> dict[MetricName, Estimate]:
        """Returns this cell's metrics minus those of `other`, paired by face and resample."""
        reasons = self.scores.undefined() | other.scores.undefined()
        point, samples = self.point - other.point, self.samples - other.samples
        return _intervals(point, samples, confidence, reasons)


def _intervals(
    point: Floats, samples: Floats, confidence: float, reasons: dict[MetricName, str]
) -> dict[MetricName, Estimate]:
    return {
        name: interval(point[column], samples[:, column], confidence, reasons.get(name, ""))
        for name, column in COLUMN.items()
    }


def interval(value: float, samples: Floats, confidence: float, reason: str = "") -> Estimate:
    """Returns `value` with the percentile interval of its resamples.

    Resamples without a value (no fake was drawn) are left out; if they are the majority there is
    no interval.

    Args:
        value: The figure over all faces.
        samples: (B,), the figure in each resample.
        confidence: Share of the resamples inside the interval, e.g. 0.95.
        reason: Why `value` is NaN, if it is.
    """
    if math.isnan(value):
        return _without_interval(value, reason or "it has no value here")
    defined = samples[~np.isnan(samples)]
    if len(defined) <= _MIN_SHARE_DEFINED * len(samples):
        return _without_interval(value, "too few groups for an interval")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, (tail, 1.0 - tail))
    return Estimate(value=float(value), low=float(low), high=float(high))


def recovered_share(
    defended: Measured, attacked: Measured, clean: Measured, confidence: float
) -> Estimate:
    """Returns how much of an attack's damage a defence undoes.

    (defended under attack - undefended under attack) / (undefended clean - undefended under
    attack), all balanced accuracy: 1 = all damage undone, 0 = none, negative = more damage.
    There is no value when the attack did no damage, and no interval when the interval of the
    damage reaches zero: a share of almost no damage can be anything.

    Args:
        defended: The defence under attack.
        attacked: The undefended detector under the same attack.
        clean: The undefended detector without attack, on the same faces.
        confidence: As in `interval`.
    """
    column = COLUMN["balanced_accuracy"]
    damage = clean.point[column] - attacked.point[column]
    if np.isnan(damage):
        reason = clean.scores.undefined().get("balanced_accuracy", "it has no value here")
        return _without_interval(math.nan, reason)
    if damage <= _NO_DAMAGE:
        return _without_interval(math.nan, "the attack did no damage")
    damages = clean.samples[:, column] - attacked.samples[:, column]
    gains = defended.samples[:, column] - attacked.samples[:, column]
    value = (defended.point[column] - attacked.point[column]) / damage
    lowest = interval(damage, damages, confidence).low
    if lowest is None or lowest <= 0.0:
        reason = "the damage is not clear of zero, so the share has no interval"
        return _without_interval(value, reason)
    shares = np.divide(gains, damages, out=np.full_like(gains, np.nan), where=damages > _NO_DAMAGE)
    return interval(value, shares, confidence)


def _without_interval(value: float, reason: str) -> Estimate:
    return Estimate(value=none_if_nan(value), low=None, high=None, reason=reason)


def mean_defined(samples: Floats) -> Floats:
    """Returns the mean of each column of (K, M) over the rows in which it is not NaN: (M,)."""
    defined = ~np.isnan(samples)
    counts = defined.sum(axis=0)
    sums = np.where(defined, samples, 0.0).sum(axis=0)
    means = np.full(samples.shape[1], np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def group_mean(
    values: ArrayLike, among: NDArray[np.bool_], weights: NDArray[np.uint16]
) -> tuple[float, Floats]:
    """Returns the mean of `values` over some of the faces, and the same in every resample.

    Args:
        values: (N,).
        among: bool (N,), the faces.
        weights: (B, N), how often each face counts in each resample.

    Returns:
        The mean, NaN if there is no such face; and (B,).
    """
    chosen = np.asarray(values, dtype=np.float64)[among]
    counts = weights[:, among].astype(np.float64)
    totals = counts.sum(axis=1)
    samples = np.full(len(weights), np.nan)
    np.divide(counts @ chosen, totals, out=samples, where=totals > 0)
    return float(chosen.mean()) if len(chosen) else math.nan, samples


def group_estimate(
    values: ArrayLike, among: NDArray[np.bool_], weights: NDArray[np.uint16], confidence: float
) -> Estimate:
    """Returns the mean of `group_mean` with its interval, as `interval` gives it."""
    mean, samples = group_mean(values, among, weights)
    return interval(mean, samples, confidence, NO_FACE)
