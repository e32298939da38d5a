"""How good verdicts are where the doubtful ones are withheld: risk against coverage.

**Coverage** is the share of the faces that get a verdict, **selective risk** the share of those
verdicts that are wrong (El-Yaniv & Wiener, JMLR 2010). Withholding the doubtful verdicts first
gives a risk at every coverage; **AURC**, the mean of these risks, sums the curve up, and its excess
over the least that the same number of errors allows says how well the doubt ranks them (Geifman,
Uziel & El-Yaniv, ICLR 2019). All figures are fractions in [0, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selective:
    """Verdicts of which some are withheld.

    Attributes:
        coverage: Share of the faces that get a verdict.
        risk: Share of those verdicts that are wrong; NaN if there is none.
        withheld_risk: Share of the verdicts withheld that would have been wrong; NaN if there is
            none. Withholding is worth something where it is above `risk`.
    """

    coverage: float
    risk: float
    withheld_risk: float

    @classmethod
    def of(cls, correct: ArrayLike, unsure: ArrayLike) -> Selective:
        """Measures verdicts.

        Args:
            correct: bool (N,), where the verdict is, or would be, right.
            unsure: bool (N,), where it is withheld.

        Raises:
            ValueError: If there is no face, or the lengths differ.
        """
        right = np.asarray(correct, dtype=np.bool_)
        withheld = np.asarray(unsure, dtype=np.bool_)
        _check(right, withheld)
        return cls(
            coverage=float(np.mean(~withheld)),
            risk=_share(~right[~withheld]),
            withheld_risk=_share(~right[withheld]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCoverage:
    """The curve of risk against coverage; faces of equal doubt get their verdicts together.

    Attributes:
        coverage: float64 (P,), rising to 1.
        risk: float64 (P,), the selective risk at each.
        limit: float64 (P,), the doubt up to which verdicts are given there.
    """

    coverage: Floats
    risk: Floats
    limit: Floats

    def at(self, coverage: float) -> float:
        """Returns the risk at the least coverage on the curve that is not below `coverage`."""
        return float(self.risk[np.searchsorted(self.coverage, coverage - 1e-12)])


def risk_coverage(correct: ArrayLike, doubt: ArrayLike) -> RiskCoverage:
    """Returns the curve that withholding the most doubtful verdicts first walks along.

    Args:
        correct: bool (N,), where the verdict is right.
        doubt: (N,), the larger, the sooner withheld; infinities are allowed, NaN is not.

    Raises:
        ValueError: If there is no face, the lengths differ, or a doubt is NaN.
    """
    wrong, ranked = _ranked(correct, doubt)
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    risks = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return RiskCoverage(coverage=(ends + 1) / len(wrong), risk=risks[ends], limit=ranked[ends])


def aurc(correct: ArrayLike, doubt: ArrayLike) -> float:
    """Returns the area under the risk-coverage curve: the mean risk over the coverages 1/N to 1.

    Faces of equal doubt are taken in random order, in expectation. 0 means that every verdict is
    right. For arguments and errors see `risk_coverage`.
    """
    wrong, ranked = _ranked(correct, doubt)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(wrong)])
    shared = np.repeat(np.add.reduceat(wrong, starts) / sizes, sizes)
    return float(np.mean(np.cumsum(shared) / np.arange(1, len(wrong) + 1)))


def excess_aurc(correct: ArrayLike, doubt: ArrayLike) -> float:
    """Returns by how much AURC is above the least, with all wrong verdicts doubted most.

    0 means that the doubt could not rank the errors better. For arguments and errors see
    `risk_coverage`.
    """
    right = np.asarray(correct, dtype=np.bool_)
    return aurc(right, doubt) - aurc(right, (~right).astype(np.float64))


def _ranked(correct: ArrayLike, doubt: ArrayLike) -> tuple[Floats, Floats]:
    """Returns where verdicts are wrong (1 or 0) and their doubts, the least doubtful first."""
    right = np.asarray(correct, dtype=np.bool_)
    doubts = np.asarray(doubt, dtype=np.float64)
    _check(right, doubts)
    if np.isnan(doubts).any():
        raise ValueError(f"{int(np.isnan(doubts).sum())} of {len(doubts)} doubts are NaN")
    order = np.argsort(doubts, kind="stable")
    return (~right[order]).astype(np.float64), doubts[order]


def _check(right: Bools, other: NDArray[Any]) -> None:
    if right.ndim != 1 or right.shape != other.shape:
        raise ValueError(f"verdicts {right.shape} and doubts {other.shape} are not both (N,)")
    if not len(right):
        raise ValueError("there is no face to judge")


def _share(marked: Bools) -> float:
    return float(marked.mean()) if len(marked) else math.nan
