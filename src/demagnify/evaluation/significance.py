"""Whether two methods differ: McNemar's exact test, and Holm's correction for many tests."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from demagnify.evaluation.metrics import Floats


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
