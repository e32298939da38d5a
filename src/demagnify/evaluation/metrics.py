"""How well verdicts and scores tell fake faces (1, positive) from real ones (0).

A score becomes the verdict "fake" when `logit > threshold`. All figures are fractions in [0, 1].
Every function takes many weightings of the same faces at once, because the bootstrap asks for a
thousand of them: the faces are sorted once, and each weighting costs two cumulative sums.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MetricName = Literal[
    "tpr",
    "fpr",
    "tnr",
    "fnr",
    "accuracy",
    "balanced_accuracy",
    "best_balanced_accuracy",
    "auc",
    "eer",
    "tpr_at_1_fpr",
    "brier",
]

METRICS: Final[tuple[MetricName, ...]] = get_args(MetricName)
COLUMN: Final[dict[MetricName, int]] = {name: column for column, name in enumerate(METRICS)}
"""Where a metric stands in the arrays that this module returns."""

_FEW_FALSE: Final = 0.01
_CHUNK_ELEMENTS: Final = 1 << 17  # 1 MiB of float64 per array: stays in the processor's cache
_BOTH: Final[tuple[MetricName, ...]] = (
    "balanced_accuracy",
    "best_balanced_accuracy",
    "auc",
    "eer",
    "tpr_at_1_fpr",
)
"""What needs faces of both classes."""


class Scores:
    """The scores of N faces with their true labels and the threshold, sorted once.

    Args:
        labels: (N,), 0 = real, 1 = fake.
        logits: (N,), higher means more probably fake; infinities are allowed, NaN is not.
        threshold: A logit above it is the verdict "fake".

    Raises:
        ValueError: If there is no face, lengths differ, a label is neither 0 nor 1, or a logit or
            the threshold is NaN.
    """

    def __init__(self, labels: ArrayLike, logits: ArrayLike, threshold: float) -> None:
        self.labels = np.asarray(labels).astype(np.int64)
        self.logits = np.asarray(logits, dtype=np.float64)
        self.threshold = float(threshold)
        _check(self.labels, self.logits, self.threshold)
        self._order = np.argsort(-self.logits, kind="stable")
        ranked = self.logits[self._order]
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self._is_fake = self.labels[self._order] == 1
        self._errors = np.square(sigmoid(self.logits) - self.labels)
        self._called_fake = int(np.count_nonzero(ranked[self._starts] > self.threshold))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def verdicts(self) -> NDArray[np.bool_]:
        """(N,), True where the verdict is "fake"."""
        verdicts: NDArray[np.bool_] = self.logits > self.threshold
        return verdicts

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,), True where the verdict is right."""
        correct: NDArray[np.bool_] = self.verdicts == (self.labels == 1)
        return correct

    def metrics(self) -> dict[MetricName, float]:
        """Returns every metric over all faces; NaN where `undefined` gives a reason."""
        return dict(zip(METRICS, self.weighted().tolist()[0], strict=True))

    def undefined(self) -> dict[MetricName, str]:
        """Returns, for each metric that has no value here, the reason."""
        if (self.labels == 1).all():
            reason = "there is no real face"
            return dict.fromkeys(("fpr", "tnr", *_BOTH), reason)
        if (self.labels == 0).all():
            reason = "there is no fake face"
            return dict.fromkeys(("tpr", "fnr", *_BOTH), reason)
        return {}

    def weighted(self, weights: ArrayLike | None = None) -> Floats:
        """Returns every metric under every weighting of the faces.

        Args:
            weights: (B, N), not negative; one weighting of ones if None.

        Returns:
            (B, M), columns as in `METRICS`. NaN where a weighting leaves no face of a class.
        """
        rows = np.ones((1, len(self))) if weights is None else np.asarray(weights)
        if rows.ndim != 2 or rows.shape[1] != len(self):
            raise ValueError(f"weights have shape {rows.shape}, not (B, {len(self)})")
        result = np.empty((len(rows), len(METRICS)))
        step = max(1, _CHUNK_ELEMENTS // len(self))
        for start in range(0, len(rows), step):
            result[start : start + step] = self._measure(rows[start : start + step])
        return result

    def roc(self) -> tuple[Floats, Floats]:
        """Returns the ROC curve from (0, 0) to (1, 1): FPR and TPR, each (P,)."""
        false, true = self._cumulative(np.ones((1, len(self))))
        with np.errstate(invalid="ignore"):
            return false[0] / false[0, -1], true[0] / true[0, -1]

    def _cumulative(self, weights: NDArray[np.generic]) -> tuple[Floats, Floats]:
        """Weight of reals and of fakes called fake as the cut sinks: each (B, distinct + 1)."""
        ranked = np.take(weights, self._order, axis=1)
        fakes = ranked * self._is_fake  # whole numbers stay small: half the memory to move
        reals = ranked - fakes
        if len(self._starts) < len(self):  # equal scores are passed by the cut together
            fakes = np.add.reduceat(fakes, self._starts, axis=1, dtype=np.float64)
            reals = np.add.reduceat(reals, self._starts, axis=1, dtype=np.float64)
        return _cumsum_from_zero(reals), _cumsum_from_zero(fakes)

    def _measure(self, weights: NDArray[np.generic]) -> Floats:
        false, true = self._cumulative(weights)
        reals, fakes = false[:, -1], true[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            fpr_curve, tpr_curve = false / reals[:, None], true / fakes[:, None]
            tpr, fpr = tpr_curve[:, self._called_fake], fpr_curve[:, self._called_fake]
            hits = true[:, self._called_fake] + reals - false[:, self._called_fake]
            return np.column_stack(
                (
                    tpr,
                    fpr,
                    1.0 - fpr,
                    1.0 - tpr,
                    hits / (reals + fakes),
                    (tpr + 1.0 - fpr) / 2.0,
                    (tpr_curve + 1.0 - fpr_curve).max(axis=1) / 2.0,
                    _area(fpr_curve, tpr_curve),
                    _equal_error_rate(fpr_curve, tpr_curve),
                    _at_few_false(fpr_curve, tpr_curve),
                    # Not a matrix product: that rounds otherwise in another chunk.
                    (weights * self._errors).sum(axis=1) / (reals + fakes),
                )
            )


def sigmoid(logits: Floats) -> Floats:
    """Returns 1 / (1 + exp(-logit)) of each, without overflow.

    Example:
        >>> sigmoid(np.array([-np.inf, 0.0, 800.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    chances: Floats = np.exp(-np.logaddexp(0.0, -logits))
    return chances


def _check(labels: NDArray[np.int64], logits: Floats, threshold: float) -> None:
    if logits.ndim != 1 or labels.shape != logits.shape:
        raise ValueError(f"labels {labels.shape} and logits {logits.shape} are not both (N,)")
    if not len(labels):
        raise ValueError("there is no face to measure")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("a label is neither 0 (real) nor 1 (fake)")
    if np.isnan(logits).any():
        raise ValueError(f"{int(np.isnan(logits).sum())} of {len(logits)} logits are NaN")
    if np.isnan(threshold):
        raise ValueError("the threshold is NaN")


def _cumsum_from_zero(values: NDArray[np.generic]) -> Floats:
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=sums[:, 1:])
    return sums


def _area(fpr: Floats, tpr: Floats) -> Floats:
    """Area under each row's curve, by trapezoids: a tie counts half."""
    area: Floats = np.einsum("bp,bp->b", np.diff(fpr, axis=1), tpr[:, 1:] + tpr[:, :-1]) / 2.0
    return area


def _equal_error_rate(fpr: Floats, tpr: Floats) -> Floats:
    """Where each row's curve, joined by straight lines, crosses FPR = FNR."""
    surplus = 1.0 - tpr - fpr  # falls from 1 to -1 along the curve
    after = np.maximum((surplus <= 0.0).argmax(axis=1), 1)
    rows = np.arange(len(fpr))
    high, low = surplus[rows, after - 1], surplus[rows, after]
    share = high / (high - low)
    rate: Floats = fpr[rows, after - 1] + share * (fpr[rows, after] - fpr[rows, after - 1])
    return rate


def _at_few_false(fpr: Floats, tpr: Floats) -> Floats:
    """TPR at the last point of each row's curve whose FPR is at most 1 %."""
    last = np.maximum((fpr <= _FEW_FALSE).sum(axis=1) - 1, 0)
    found: Floats = tpr[np.arange(len(tpr)), last]
    return np.where(np.isnan(fpr[:, -1]), np.nan, found)
