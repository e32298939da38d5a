"""Selective classification: risk against coverage where uncertain verdicts are rejected.

**Coverage** is the share of the faces that get a verdict, **selective risk** the share of those
verdicts that are wrong (El-Yaniv & Wiener, JMLR 2010). Rejecting the most uncertain verdicts first
gives a risk at every coverage; **AURC**, the mean of these risks, summarises the curve, and its
excess over the least possible for the same number of errors measures how well the uncertainty
ranks them (Geifman, Uziel & El-Yaniv, ICLR 2019). All figures are fractions in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def coverage_and_risks(correct: ArrayLike, rejected: ArrayLike) -> tuple[float, float, float]:
    """Measures verdicts of which some are rejected.

    Args:
        correct: bool (N,), where the verdict is, or would be, right.
        rejected: bool (N,), where no verdict is given.

    Returns:
        The share of the faces that get a verdict; the share of those verdicts that are wrong; and
        the share of the rejected ones that would have been wrong. NaN where there is none.
        Abstaining is worth something where the last is above the second.

    Raises:
        ValueError: If there is no face, or the lengths differ.
    """
    right = np.asarray(correct, dtype=np.bool_)
    left_out = np.asarray(rejected, dtype=np.bool_)
    _check(right, left_out)
    return float(np.mean(~left_out)), _share(~right[~left_out]), _share(~right[left_out])


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """The curve of risk against coverage; faces of equal uncertainty get their verdicts together.

    Attributes:
        coverage: float64 (P,), rising to 1.
        risk: float64 (P,), the selective risk at each.
        limit: float64 (P,), the uncertainty up to which verdicts are given there.
    """

    coverage: Floats
    risk: Floats
    limit: Floats


def risk_coverage(correct: ArrayLike, uncertainty: ArrayLike) -> RiskCoverage:
    """Returns the curve that rejecting the most uncertain verdicts first gives.

    Args:
        correct: bool (N,), where the verdict is right.
        uncertainty: (N,), the larger, the sooner rejected; infinities are allowed, NaN is not.

    Raises:
        ValueError: If there is no face, the lengths differ, or an uncertainty is NaN.
    """
    wrong, ranked = _ranked(correct, uncertainty)
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    risks = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return RiskCoverage(coverage=(ends + 1) / len(wrong), risk=risks[ends], limit=ranked[ends])


def aurc(correct: ArrayLike, uncertainty: ArrayLike) -> float:
    """Returns the area under the risk-coverage curve: the mean risk over the coverages 1/N to 1.

    Faces of equal uncertainty are taken in random order, in expectation. 0 means that every
    verdict is right. For arguments and errors see `risk_coverage`.
    """
    wrong, ranked = _ranked(correct, uncertainty)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(wrong)])
    shared = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
    return float(np.mean(np.cumsum(shared) / np.arange(1, len(wrong) + 1)))


def _ranked(correct: ArrayLike, uncertainty: ArrayLike) -> tuple[Floats, Floats]:
    """Where verdicts are wrong (1 or 0) and their uncertainty, the least uncertain first."""
    right = np.asarray(correct, dtype=np.bool_)
    values = np.asarray(uncertainty, dtype=np.float64)
    _check(right, values)
    if np.isnan(values).any():
        raise ValueError(f"{int(np.isnan(values).sum())} of {len(values)} uncertainties are NaN")
    order = np.argsort(values, kind="stable")
    return (~right[order]).astype(np.float64), values[order]


def _check(right: Bools, other: NDArray[Any]) -> None:
    if right.ndim != 1 or right.shape != other.shape:
        raise ValueError(f"verdicts {right.shape} and uncertainty {other.shape} are not both (N,)")
    if not len(right):
        raise ValueError("there is no face to measure")


def _share(marked: Bools) -> float:
    return float(marked.mean()) if len(marked) else math.nan
