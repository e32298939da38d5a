"""Two methods or conditions on the same faces: differences, McNemar's test, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from demagnify.evaluation.bootstrap import Measured, interval, recovered_share
from demagnify.evaluation.metrics import COLUMN, Floats
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.results import Comparison, Recovery


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Returns the two-sided p-value of McNemar's exact test for paired verdicts.

    It tests whether two classifiers of the same faces are right equally often. It takes faces for
    independent; with several faces per group it is too sure, unlike the intervals.

    Args:
        first: (N,) bool, where the first classifier is right.
        second: (N,) bool, where the second classifier is right.
    """
    one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_first, only_second = int((one & ~two).sum()), int((~one & two).sum())
    if only_first + only_second == 0:
        return 1.0
    return _binomial(min(only_first, only_second), only_first + only_second)


def _binomial(low: int, count: int) -> float:
    """Returns the two-sided p of at most `low` heads, or tails, in `count` tosses of a coin."""
    drawn = np.arange(1, low + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((count - drawn + 1) / drawn))])
    return min(1.0, 2.0 * float(np.exp(ways - count * math.log(2.0)).sum()))


def holm(p_values: ArrayLike) -> Floats:
    """Returns p-values after Holm's step-down correction for all of them (Holm 1979).

    Args:
        p_values: (K,).

    Returns:
        (K,), in the same order; each at least as large as before and at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = p[order] * np.arange(len(p), 0, -1)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def compare(
    key: tuple[str, str, str, str], one: Measured, two: Measured, confidence: float
) -> Comparison:
    """Returns `one` minus `two` on the same faces; (split, condition, method, reference) name it.

    Of several trainings, single faces are counted for the first.
    """
    split, condition, method, reference = key
    right, right_before = one.scores.correct, two.scores.correct
    return Comparison(
        split=split,
        condition=condition,
        method=method,
        reference=reference,
        metrics=one.minus(two, confidence),
        mended=int((right & ~right_before).sum()),
        broken=int((~right & right_before).sum()),
        mcnemar_p=mcnemar(right, right_before),
    )


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Returns the comparisons of one method with Holm's correction for all of them."""
    values = holm([one.mcnemar_p for one in comparisons]).tolist()
    return [
        one.model_copy(update={"mcnemar_holm": value})
        for one, value in zip(comparisons, values, strict=True)
    ]


def recovery(
    key: tuple[str, str, str],
    clean: Measured,
    attacked: Measured,
    clean_defended: Measured,
    defended: Measured,
    confidence: float,
) -> Recovery:
    """Returns the share of an attack's damage that a method undoes, and the cost.

    Args:
        key: Split, condition and method.
        clean: The undefended detector on clean faces.
        attacked: The same under the attack.
        clean_defended: The method on clean faces.
        defended: The same under the attack.
        confidence: Of the intervals.
    """
    split, condition, method = key
    return Recovery(
        split=split,
        condition=condition,
        method=method,
        damage=clean.minus(attacked, confidence)["balanced_accuracy"],
        share=recovered_share(defended, attacked, clean, confidence),
        clean_cost=clean_defended.minus(clean, confidence)["balanced_accuracy"],
        fpr_change=defended.minus(attacked, confidence)["fpr"],
        fpr_over_clean=defended.minus(clean, confidence)["fpr"],
    )


def mean_difference(pairs: Sequence[tuple[Measured, Measured]]) -> tuple[float, Floats]:
    """Returns the mean difference in balanced accuracy, and the same in each resample."""
    column = COLUMN["balanced_accuracy"]
    points = [one.point[column] - two.point[column] for one, two in pairs]
    samples = [one.samples[:, column] - two.samples[:, column] for one, two in pairs]
    return float(np.mean(points)), np.mean(samples, axis=0)


def mean_gain(pairs: Sequence[tuple[Measured, Measured]], confidence: float) -> Estimate:
    """Returns the mean difference in balanced accuracy, first minus second, with its interval."""
    return interval(*mean_difference(pairs), confidence)


def mean_accuracy(parts: Sequence[Measured], confidence: float) -> Estimate:
    """Returns the mean balanced accuracy over conditions."""
    column = COLUMN["balanced_accuracy"]
    points = [one.point[column] for one in parts]
    samples = [one.samples[:, column] for one in parts]
    return interval(float(np.mean(points)), np.mean(samples, axis=0), confidence)
