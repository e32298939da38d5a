"""The attack table as one JSON document."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from demagnify.evaluation.adaptive import AdaptiveSettings
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.results import Estimate, Measure, Record

SCHEMA_VERSION: Final = 1
ADAPTIVE: Final = "adaptive"
"""The row of the attacker who takes the best of all other rows for each face."""


class TableData(Record):
    """A data set of the table."""

    name: str
    split: str
    size: int = Field(description="Side of the faces in pixels, at which they are attacked")
    real: int
    fake: int
    groups: int
    skipped: int = Field(description="Files and lines that could not be used")
    fingerprint: str = Field(description="Of the faces' pixels")


class TableDetector(Record):
    """A detector of the table."""

    name: str
    threshold: float
    fingerprint: str


class LeftOut(Record):
    """An attack that could not be carried out on a data set."""

    data: str
    attack: str
    reason: str


class AdaptiveFigures(Record):
    """What only the adaptive attacker has."""

    success: Estimate = Field(description="Share of rightly judged faces whose verdict turned")
    queries: Estimate = Field(description="Mean queries per rightly judged face")
    published: dict[str, int] = Field(description="For how many faces each attack was the best")


class TableCell(Record):
    """One detector on one data set under one attack."""

    data: str
    detector: str
    attack: str
    family: str
    precision: str = Field(description="In what the attack's network computed; empty without one")
    psnr_mean: Measure = Field(description="dB, over the faces that the attack changes")
    ssim_mean: Measure
    metrics: dict[MetricName, Estimate]
    change: dict[MetricName, Estimate] = Field(description="Minus the clean cell, paired by face")
    adaptive: AdaptiveFigures | None = None


class AttackTable(Record):
    """Everything that the table holds; see the fields' own classes."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["attack-table"] = "attack-table"
    command: str = ""
    seed: int
    limit: int | None = Field(description="At most so many faces per data set, drawn by group")
    resamples: int = Field(description="Bootstrap resamples over groups")
    confidence: float
    settings: AdaptiveSettings = Field(description="Of the adaptive attacker")
    data: tuple[TableData, ...]
    detectors: tuple[TableDetector, ...]
    cells: tuple[TableCell, ...]
    left_out: tuple[LeftOut, ...] = ()

    def rows(self, data: str, detector: str) -> tuple[TableCell, ...]:
        """Returns the cells of one detector on one data set, the clean one first."""
        return tuple(c for c in self.cells if c.data == data and c.detector == detector)
