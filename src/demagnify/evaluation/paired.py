"""Figures of two methods or conditions on the same faces and the same resamples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from demagnify.evaluation.bootstrap import Measured, interval, recovered_share
from demagnify.evaluation.metrics import COLUMN, Floats
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.results import Comparison, Recovery
from demagnify.evaluation.significance import holm, mcnemar


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
