"""What a detector stands: validation faces, untouched and under each degradation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import Detector
from demagnify.hardening.adversary import degrading
from demagnify.scores import LogitTable, rewards_of
from demagnify.transforms.degradations import Degradation

JUDGED: Final = 10**6
"""The round number under which validation faces are degraded: drawn apart from all training."""


class Round(BaseModel):
    """What a round brought, on validation faces.

    Round 0 is the detector as it came.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=0, description="0 before the first turn")
    share: float = Field(
        default=1.0, ge=0, le=1, description="Of the round's weights; the rest are those of round 0"
    )
    threshold: float = Field(default=0.0, description="Of the detector")
    clean: float = Field(description="Balanced accuracy on untouched faces")
    degraded: float = Field(description="Mean balanced accuracy over the degradations")
    worst: float = Field(description="Balanced accuracy under the worst degradation")
    kinds: dict[str, float] = Field(description="Balanced accuracy under each degradation")
    agent: float | None = Field(
        default=None,
        description="Balanced accuracy that the agent's choices left the detector before the turn",
    )
    choices: dict[str, float] = Field(
        default_factory=dict, description="Share of the training faces for which it chose what"
    )

    @property
    def score(self) -> float:
        """What the best is chosen by: clean and degraded faces count alike."""
        return (self.clean + self.degraded) / 2


@dataclass(frozen=True)
class Judge:
    """Judges detectors on the same faces and degradations.

    Attributes:
        faces: Validation faces.
        kinds: The degradations, by name.
        seed: Of their settings.
        folder: Where the detectors' answers are kept.
    """

    faces: FaceDataset
    kinds: Mapping[str, Degradation]
    seed: int
    folder: Path

    def table(self, detector: Detector, place: str) -> LogitTable:
        """Returns a detector's answers, one column for untouched faces and one for each kind.

        Args:
            detector: Who is asked, unless the answers are there.
            place: The subfolder of its answers.
        """
        actions = degrading(self.kinds, seed=self.seed, round_=JUDGED)
        table = LogitTable(self.faces, detector, actions)
        table.fill(self.folder / place / "validation.safetensors")
        return table

    def __call__(self, detector: Detector, number: int) -> Round:
        """Returns the record of a round's detector."""
        return self.record(self.table(detector, f"{number}"), number)

    def record(self, table: LogitTable, number: int) -> Round:
        """Returns what a detector's answers come to, at the threshold of the table."""
        columns = range(table.logits.shape[1])
        figures = [balanced(table, np.full(len(table.labels), column)) for column in columns]
        return Round(
            number=number,
            threshold=table.threshold,
            clean=figures[0],
            degraded=float(np.mean(figures[1:])),
            worst=min(figures[1:]),
            kinds=dict(zip(self.kinds, figures[1:], strict=True)),
        )


def balanced(table: LogitTable, actions: NDArray[np.int64]) -> float:
    """Returns the balanced accuracy where each face got one of the actions, int64 (N,)."""
    logits = table.logits[np.arange(len(actions)), actions]
    right = rewards_of(logits, table.labels, table.threshold) > 0
    return float(np.mean([right[table.labels == label].mean() for label in (0, 1)]))
