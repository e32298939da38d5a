"""The scores of a run, column by column, as every format of exchange takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.metrics import MetricName, Scores, sigmoid
from demagnify.evaluation.records import Estimate

if TYPE_CHECKING:
    from demagnify.evaluation.suite.row import Statistics

_HALF: Final = 0.5
_BELOW_HALF: Final = float(np.nextafter(_HALF, 0.0))
_BELOW_ONE: Final = float(np.nextafter(1.0, 0.0))


@dataclass(frozen=True, eq=False)
class ScoreColumn:
    """The scores of one method under one condition.

    Attributes:
        condition: "none" for clean faces, or an attack.
        method: The detector or defence.
        faces: The name of each of the N faces.
        groups: The group of each.
        labels: int64 (N,), 0 real and 1 fake.
        logits: float64 (N,).
        threshold: A logit above it is the verdict fake.
        unsure: bool (N,), where the method abstains; None if it never does.
        missing: How many faces have no score, and are not among the N.
    """

    condition: str
    method: str
    faces: tuple[str, ...]
    groups: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float64]
    threshold: float = 0.0
    unsure: NDArray[np.bool_] | None = None
    missing: int = 0

    @property
    def verdicts(self) -> NDArray[np.bool_]:
        """(N,), True where the verdict is fake; where the method abstains, what it would be."""
        verdicts: NDArray[np.bool_] = self.logits > self.threshold
        return verdicts

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(N,), in [0, 1], at least 0.5 exactly where the verdict is fake.

        The sigmoid of the logit's distance from the threshold: tools that cut at 0.5 come to the
        same verdicts.

        Example:
            >>> labels, logits = np.array([0, 1]), np.array([2.0, 3.0])
            >>> column = ScoreColumn("none", "mine", ("a", "b"), ("a", "b"), labels, logits, 2.0)
            >>> column.probabilities.round(3).tolist()
            [0.5, 0.731]
        """
        found = sigmoid(self.logits - self.threshold)
        chosen: NDArray[np.float64] = np.where(
            self.verdicts, np.maximum(found, _HALF), np.minimum(found, _BELOW_HALF)
        )
        return chosen

    def measure(self, statistics: Statistics) -> dict[MetricName, Estimate]:
        """Returns every metric with its interval, bootstrapped over groups."""
        weights = _weights(self.groups, statistics.resamples, statistics.seed)
        scores = Scores(self.labels, self.logits, self.threshold)
        return Measured.over(scores, weights).intervals(statistics.confidence)


@cache
def _weights(groups: tuple[str, ...], count: int, seed: int) -> NDArray[np.uint16]:
    return GroupResamples(groups, count=count, seed=seed).weights()


def logits_of(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the finite logits of P(fake), of which those of 0.5 and more are above 0."""
    tiny = np.finfo(np.float64).tiny
    inside = np.clip(probabilities, tiny, _BELOW_ONE)
    found = np.log(inside) - np.log1p(-inside)
    return np.where((probabilities >= _HALF) & (found <= 0), tiny, found)


@dataclass(frozen=True)
class ScoredRun:
    """The scores of one split of a run.

    Attributes:
        name: The run's.
        data: The name of its data set.
        split: The split.
        columns: One for each condition and method.
        final: The method of which the run is the evaluation: the last defence, or the detector.
        created: When, ISO 8601 in UTC.
        command: The command line that made it.
        versions: Name -> version of the software.
        about: What else is known of it: the processor, the detector's fingerprint.
        skipped: How many files the run could not use. Their labels are unknown.
    """

    name: str
    data: str
    split: str
    columns: tuple[ScoreColumn, ...]
    final: str = ""
    created: str = ""
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    skipped: int = 0
