"""How well a detector does on validation faces, clean and under each degradation.

Means of the weights before and after fine-tuning are tried too: they keep much of both and cost
nothing in use; Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from pydantic import Field

from demagnify.agents.rewards import verdict_rewards
from demagnify.core.settings import Frozen
from demagnify.core.trackers import Point
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import Detector
from demagnify.detectors.threshold import choose_threshold
from demagnify.hardening.attack_pool import AttackPool, Integers
from demagnify.scores import LogitTable

SHARES: Final = (0.25, 0.5, 0.75)
"""Weights of the fine-tuned detector in the means that are tried."""

VALIDATION: Final = 10**6
"""The round number under which validation faces are degraded: drawn apart from all training."""


class Round(Frozen):
    """The result of a round on validation faces; round 0 is the detector before hardening."""

    number: int = Field(ge=0, description="0 before the first round.")
    share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Weight of the round's parameters in the mean with those of round 0.",
    )
    threshold: float = Field(default=0.0, description="Threshold of the detector.")
    clean: float = Field(description="Balanced accuracy on clean faces.")
    degraded: float = Field(description="Mean balanced accuracy over the degradations.")
    worst: float = Field(description="Balanced accuracy under the worst degradation.")
    degradations: dict[str, float] = Field(description="Balanced accuracy under each degradation.")
    agent: float | None = Field(
        default=None,
        description="Balanced accuracy under the agent's choices, before the detector was trained.",
    )
    choices: dict[str, float] = Field(
        default_factory=dict,
        description="Share of the training faces for which the agent chose each degradation.",
    )

    @property
    def score(self) -> float:
        """The criterion of the best round: clean and degraded faces count alike."""
        return (self.clean + self.degraded) / 2

    def point(self) -> Point:
        """Returns its figures for a tracker."""
        names = ("clean", "degraded", "worst", "agent", "score", "threshold")
        return self.number, {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Validation:
    """Scores detectors on the same faces and degradations."""

    faces: FaceDataset
    pool: AttackPool
    seed: int  # of the settings of the degradations
    folder: Path  # where logits are cached

    def table(self, detector: Detector, place: str) -> LogitTable:
        """Returns a detector's logits, one column for clean faces and one for each degradation."""
        actions = self.pool.seeded(seed=self.seed, round_=VALIDATION)
        table = LogitTable(self.faces, detector, actions)
        table.fill(self.folder / place / "validation.safetensors")
        return table

    def __call__(self, detector: Detector, number: int) -> Round:
        """Returns the record of a round's detector."""
        return self.record(self.table(detector, f"{number}"), number)

    def record(self, table: LogitTable, number: int) -> Round:
        """Returns the record of a filled table, at the threshold of its detector."""
        columns = range(table.logits.shape[1])
        clean, *degraded = (
            balanced_accuracy(table, np.full(len(table.labels), column)) for column in columns
        )
        return Round(
            number=number,
            threshold=table.threshold,
            clean=clean,
            degraded=float(np.mean(degraded)),
            worst=min(degraded),
            degradations=dict(zip(self.pool.names, degraded, strict=True)),
        )


def balanced_accuracy(table: LogitTable, columns: Integers) -> float:
    """Returns the balanced accuracy where each face is in one of the columns, int64 (N,)."""
    logits = table.logits[np.arange(len(columns)), columns]
    right = verdict_rewards(logits, table.labels, table.threshold) > 0
    return float(np.mean([right[table.labels == label].mean() for label in (0, 1)]))


def mean_detector(start: Detector, tuned: Detector, share: float) -> Detector:
    """Returns a detector whose weights are the mean of two others', `tuned`'s counting `share`."""
    mean = deepcopy(tuned).eval()
    mean.precision = start.precision
    before, after = start.network.state_dict(), tuned.network.state_dict()
    mean.network.load_state_dict(
        {
            key: torch.lerp(before[key], value, share) if value.is_floating_point() else value
            for key, value in after.items()
        }
    )
    return mean


def best_mean(
    start: Detector, tuned: Detector, number: int, validation: Validation
) -> tuple[Detector, list[Round]]:
    """Tries means of two detectors' weights, each with a threshold of its own.

    Threshold and share are chosen on validation faces; clean faces and all degradations together
    have equal weight.
    """
    found: list[tuple[Detector, Round]] = []
    for share in SHARES:
        place = f"{number}-share-{share:g}"
        mean = mean_detector(start, tuned, share)
        table = validation.table(mean, place)
        degradations = table.logits.shape[1] - 1
        repeats = np.r_[degradations, np.ones(degradations, np.int64)]
        logits = np.repeat(table.logits, repeats, axis=1)
        labels = np.repeat(table.labels[:, None], logits.shape[1], axis=1)
        mean.threshold = choose_threshold((labels.ravel(), logits.ravel())).threshold
        record = validation.record(validation.table(mean, place), number)
        found.append((mean, record.model_copy(update={"share": share})))
    best = max(found, key=lambda pair: pair[1].score)
    return best[0], [record for _, record in found]
