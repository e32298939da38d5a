"""The threshold of a detector, chosen on validation faces by balanced accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Logits = NDArray[np.float32]
Rates = NDArray[np.float64]


class Choice(NamedTuple):
    """A threshold and the balanced accuracy that it reaches where it was chosen."""

    threshold: float
    balanced_accuracy: float


def choose_threshold(
    *columns: tuple[ArrayLike, ArrayLike], near: float | None = None, most: float | None = None
) -> Choice:
    """Returns the threshold with the highest balanced accuracy.

    Candidates lie half-way between two neighbouring logits, so that no logit is on the edge. Of
    several that are as good the highest is taken, which calls fewer real faces fake; or the one
    that is nearest to `near`.

    Args:
        columns: Labels (0 real, 1 fake) and finite logits, one pair for each condition. Conditions
            count alike. Where a class has no faces, the rate of the other one counts.
        near: The present threshold, which is a candidate too and is changed no more than it
            must. Thresholds beyond all logits are none then.
        most: The highest rate of false alarms, mean over the conditions; others are no candidates,
            but for the one above all logits.

    Example:
        >>> choose_threshold(([0, 0, 1, 1], [-3.0, -1.0, 2.0, 5.0])).threshold
        0.5
        >>> choose_threshold(([0, 0, 1, 1], [-3.0, -1.0, 2.0, 5.0]), near=1.5).threshold
        1.5
    """
    pairs = [(np.asarray(one), np.asarray(two, dtype=np.float32)) for one, two in columns]
    candidates = _candidates(np.unique(np.concatenate([logits for _, logits in pairs])))
    if near is not None:
        candidates = np.r_[np.float32(near), candidates[-2:0:-1]]
    rates = np.mean([_balanced_accuracy(candidates, *pair) for pair in pairs], axis=0)
    if most is not None:
        alarms = np.mean([false_alarms(candidates, *pair) for pair in pairs], axis=0)
        # Means over conditions differ by rounding where they are equal.
        rates = np.where(alarms <= most + 1e-12, rates, -1.0)
    if near is None:
        best = int(np.argmax(rates))
    else:
        # Means over conditions differ by rounding where they are equal.
        equal = np.flatnonzero(rates >= rates.max() - 1e-12)
        best = int(equal[np.abs(candidates[equal] - np.float32(near)).argmin()])
    return Choice(float(candidates[best]), float(rates.max()))


def false_alarms(thresholds: Logits, labels: NDArray[np.int64], logits: Logits) -> Rates:
    """Returns the share of real faces above each threshold; 0 where there are none."""
    real = logits[labels == 0]
    return _share_above(thresholds, real) if len(real) else np.zeros(len(thresholds))


def _candidates(logits: Logits) -> Logits:
    """Returns thresholds from the one above all logits, which are sorted, down to one below."""
    middles = (logits[1:] + logits[:-1]) / np.float32(2.0)
    # Between neighbouring floats there is no third one: then the lower logit parts them.
    middles = np.where(middles < logits[1:], middles, logits[:-1])
    candidates: Logits = np.r_[logits[0] - np.float32(1.0), middles, logits[-1]]
    return candidates[::-1]


def _balanced_accuracy(thresholds: Logits, labels: NDArray[np.int64], logits: Logits) -> Rates:
    """Returns the balanced accuracy at each threshold."""
    fakes = labels == 1
    if fakes.all():
        return _share_above(thresholds, logits)
    if not fakes.any():
        return 1.0 - _share_above(thresholds, logits)
    fpr, tpr = (_share_above(thresholds, logits[part]) for part in (~fakes, fakes))
    return (tpr + 1.0 - fpr) / 2.0


def _share_above(thresholds: Logits, logits: Logits) -> Rates:
    """Returns the share of logits above each threshold."""
    below = np.searchsorted(np.sort(logits), thresholds, side="right")
    return np.asarray((len(logits) - below) / len(logits), dtype=np.float64)
