"""A row of the benchmark: every figure, and the scores from which anybody can compute it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field

from demagnify.core.documents import differences
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.files import sha256, write_text
from demagnify.core.sealed import digest_of
from demagnify.evaluation.bootstrap import GroupResamples, Measured
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.records import Estimate, Record, SkippedFile, load_record
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    Comparison,
    Machine,
    Recovery,
    Versions,
)
from demagnify.evaluation.significance import compare, corrected, mean_accuracy, recovery
from demagnify.evaluation.suite.table import ScoreTable
from demagnify.evaluation.suite.versions import SUITES, Suite, load_suite
from demagnify.laundering.config import CLEAN

ROW: Final = "row.json"
SCORES: Final = "scores.csv.gz"
DEFENDED: Final = "defended"
"""The detector behind its agent; the row has it beside the detector alone."""
_TOLERANCE: Final = 1e-9


class Statistics(Record):
    """How intervals are made."""

    seed: int = Field(default=0, ge=0, description="Seed of the resamples.")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups.")
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1.0, description="Confidence of the intervals."
    )


class Faces(Record):
    """The faces of a row."""

    data: str = Field(description="The name of the data set, as it was given")
    fingerprint: str = Field(description="SHA-256 of pixels, labels, groups and names")
    real: int
    fake: int
    groups: int
    skipped: tuple[SkippedFile, ...] = ()


class Entry(Record):
    """The detector or defence of a row."""

    source: str = Field(description="What was evaluated, as it was given")
    detector: str = Field(description="The detector's name")
    fingerprint: str = Field(description="On which its logits depend")
    input_size: int
    threshold: float
    detector_threshold: float | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="The undefended detector's, where the defence has one of its own",
    )
    seen_attacks: tuple[str, ...] = Field(description="Attacks that took part in its training")
    card: dict[str, Any] = Field(default_factory=dict, description="How it was trained")

    def threshold_of(self, method: str) -> float:
        """Returns the threshold of the defence or of the undefended detector."""
        own = self.detector_threshold
        return self.threshold if own is None or method != UNDEFENDED else own


class Cell(Record):
    """One method under one condition."""

    condition: str
    method: str
    metrics: dict[str, Estimate]


class Summary(Record):
    """Balanced accuracy of one method over the conditions with an attack."""

    method: str
    clean: Estimate
    attacked: Estimate = Field(description="Mean over the conditions with an attack")
    worst: Estimate = Field(description="Under the worst of them")
    worst_condition: str
    adaptive: Estimate = Field(description="Each face under the condition that hurts it most")
    fpr_clean: Estimate
    fpr_highest: Estimate = Field(description="The highest false positive rate under an attack")


class Figures(Record):
    """All that is computed from the scores."""

    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...] = Field(description="Defended minus undefended")
    recoveries: tuple[Recovery, ...]
    summaries: tuple[Summary, ...]


class Row(Record):
    """One entry of the benchmark, written to row.json beside its scores."""

    schema_version: Literal[1] = 1
    kind: Literal["benchmark row"] = "benchmark row"
    name: str
    suite: Suite
    suite_sha256: str
    created: str = Field(description="When, ISO 8601 in UTC")
    command: str
    entry: Entry
    faces: Faces
    statistics: Statistics
    versions: Versions
    machine: Machine
    scores: str = Field(default=SCORES, pattern=r"[^/\\]+", description="File beside row.json")
    scores_sha256: str
    figures: Figures
    digest: str = Field(default="", description="SHA-256 of the rest of this document")

    @property
    def method(self) -> str:
        """The method that competes: the defended detector where there is an agent."""
        return self.figures.summaries[-1].method

    @property
    def summary(self) -> Summary:
        """The summary of the method that competes."""
        return self.figures.summaries[-1]

    def cell(self, condition: str, method: str) -> Cell:
        """Returns one cell; KeyError if there is none."""
        for one in self.figures.cells:
            if (one.condition, one.method) == (condition, method):
                return one
        raise KeyError((condition, method))

    def sealed(self) -> Row:
        """Returns the row with its digest."""
        return self.model_copy(update={"digest": self.computed_digest()})

    def computed_digest(self) -> str:
        """Returns the SHA-256 of everything but the digest."""
        return digest_of(self.model_dump(mode="json", exclude={"digest"}))

    def save(self, folder: Path) -> Path:
        """Writes row.json to `folder`; returns its path."""
        write_text(folder / ROW, self.model_dump_json(indent=1) + "\n")
        return folder / ROW


def load_row(path: Path) -> Row:
    """Reads a row from row.json, or from the folder that holds it.

    Raises:
        BadArtifactError: If it is missing, damaged or something else.
    """
    path = path / ROW if path.is_dir() else path
    hint = "give what `demagnify bench run` wrote"
    return load_record(path, Row, "a benchmark run", hint=hint, sealed=False)  # see verify_row


def measure(
    table: ScoreTable, suite: Suite, entry: Entry, statistics: Statistics
) -> dict[tuple[str, str], Measured]:
    """Returns every (condition, method) of the scores, measured; the adaptive condition too.

    Raises:
        BadArtifactError: If the scores lack a condition of the suite, or the undefended detector.
    """
    methods = list(dict.fromkeys(method for _, method in table.logits))
    wanted = [(one, method) for method in methods for one in suite.conditions]
    missing = [key for key in wanted if key not in table.logits]
    if missing or methods[:1] != [UNDEFENDED] or len(wanted) != len(table.logits):
        raise BadArtifactError(
            "the scores are not those of the suite: "
            + (f"no {', '.join(missing[0])}" if missing else "other conditions or methods")
        )
    weights = GroupResamples(
        table.groups, count=statistics.resamples, seed=statistics.seed
    ).weights()
    # Logits are float32. A float64 threshold would decide a tie with it by rounding.
    cuts = {method: float(np.float32(entry.threshold_of(method))) for method in methods}
    logits = dict(table.logits)
    for method in methods:
        every = np.stack([table.logits[one, method] for one in (CLEAN, *suite.attacked)])
        logits[ADAPTIVE, method] = np.where(table.labels == 1, every.min(axis=0), every.max(axis=0))
    return {
        key: Measured.over(Scores(table.labels, values, cuts[key[1]]), weights)
        for key, values in logits.items()
    }


def figures(table: ScoreTable, suite: Suite, entry: Entry, statistics: Statistics) -> Figures:
    """Computes every figure of a row from its scores; the arguments are those of `measure`."""
    measured = measure(table, suite, entry, statistics)
    confidence = statistics.confidence
    methods = list(dict.fromkeys(method for _, method in measured))
    conditions = (*suite.conditions, ADAPTIVE)
    cells = [
        Cell(
            condition=one,
            method=method,
            metrics=dict(measured[one, method].intervals(confidence).items()),
        )
        for method in methods
        for one in conditions
    ]
    comparisons: list[Comparison] = []
    recoveries: list[Recovery] = []
    for method in methods[1:]:
        found = [
            compare(
                (suite.split, one, method, UNDEFENDED),
                measured[one, method],
                measured[one, UNDEFENDED],
                confidence,
            )
            for one in conditions
        ]
        comparisons += corrected(found)
        recoveries += [
            recovery(
                (suite.split, one, method),
                measured[CLEAN, UNDEFENDED],
                measured[one, UNDEFENDED],
                measured[CLEAN, method],
                measured[one, method],
                confidence,
            )
            for one in (*suite.attacked, ADAPTIVE)
        ]
    summaries = [_summary(method, suite, measured, confidence) for method in methods]
    return Figures(
        cells=tuple(cells),
        comparisons=tuple(comparisons),
        recoveries=tuple(recoveries),
        summaries=tuple(summaries),
    )


def _summary(
    method: str, suite: Suite, measured: Mapping[tuple[str, str], Measured], confidence: float
) -> Summary:
    def values(condition: str) -> dict[Any, Estimate]:
        return measured[condition, method].intervals(confidence)

    under = {one: values(one) for one in suite.attacked}
    worst = min(under, key=lambda one: _value(under[one]["balanced_accuracy"], 1.0))
    alarmed = max(under, key=lambda one: _value(under[one]["fpr"], 0.0))
    return Summary(
        method=method,
        clean=values(CLEAN)["balanced_accuracy"],
        attacked=mean_accuracy([measured[one, method] for one in suite.attacked], confidence),
        worst=under[worst]["balanced_accuracy"],
        worst_condition=worst,
        adaptive=values(ADAPTIVE)["balanced_accuracy"],
        fpr_clean=values(CLEAN)["fpr"],
        fpr_highest=under[alarmed]["fpr"],
    )


def _value(one: Estimate, otherwise: float) -> float:
    return otherwise if one.value is None else one.value


def verify_row(path: Path) -> list[str]:
    """Checks a row: its bytes, its suite, and every figure computed again from the scores.

    Neither pictures nor torch are needed.

    Args:
        path: row.json, or its folder.

    Returns:
        What is wrong, one line each; empty if all is as recorded.

    Raises:
        BadArtifactError: If it is no row.
    """
    row = load_row(path)
    folder = path if path.is_dir() else path.parent
    faults = []
    if row.digest != row.computed_digest():
        faults.append(f"{ROW}: its content has changed (the digest differs)")
    faults += _suite_faults(row)
    scores = folder / row.scores
    if not scores.is_file():
        return [*faults, f"{row.scores}: the file is missing"]
    if sha256(scores) != row.scores_sha256:
        faults.append(f"{row.scores}: the file has changed (SHA-256 differs)")
    try:
        table = ScoreTable.load(scores)
    except BadArtifactError as error:
        return [*faults, str(error)]
    real, fake = (int((table.labels == label).sum()) for label in (0, 1))
    counts = {"real": real, "fake": fake, "groups": len(set(table.groups))}
    found = differences(row.faces.model_dump(include=set(counts)), counts, where="faces")
    try:
        again = figures(table, row.suite, row.entry, row.statistics)
    except BadArtifactError as error:
        return [*faults, f"{row.scores}: {error}"]
    recorded = _named(row.figures)
    found += differences(recorded, _known(recorded, _named(again)), tolerance=_TOLERANCE)
    return [*faults, *(f"{ROW}, {one}" for one in found)]


def _suite_faults(row: Row) -> list[str]:
    name = row.suite.name
    if row.suite.digest() != row.suite_sha256:
        return [f"{ROW}: the suite has changed (suite_sha256 differs)"]
    if name in SUITES and load_suite(name).digest() != row.suite_sha256:
        return [f"{ROW}: its suite {name} is not the published {name}"]
    return []


def _named(figures: Figures) -> dict[str, Any]:
    """Returns the figures by condition and method, so that a fault can be named."""

    def named(records: Sequence[Cell | Comparison | Recovery]) -> dict[str, Any]:
        return {
            f"[{one.condition}, {one.method}]": one.model_dump(
                mode="json", exclude={"split", "condition", "method"}
            )
            for one in records
        }

    return {
        "cells": named(figures.cells),
        "comparisons": named(figures.comparisons),
        "recoveries": named(figures.recoveries),
        "summaries": {f"[{one.method}]": one.model_dump(mode="json") for one in figures.summaries},
    }


def _known(recorded: Any, computed: Any, *, metrics: bool = False) -> Any:  # noqa: ANN401
    """Returns what was computed without the metrics that came after the row was written."""
    if not isinstance(recorded, dict) or not isinstance(computed, dict):
        return computed
    return {
        key: _known(recorded.get(key), value, metrics=key == "metrics")
        for key, value in computed.items()
        if key in recorded or not metrics
    }


def verified(path: Path) -> tuple[Row, ScoreTable]:
    """Returns a row and its scores.

    Raises:
        BadArtifactError: If anything has changed; the first fault is named.
    """
    faults = verify_row(path)
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise BadArtifactError(
            f"{path}: {faults[0]}{more}", hint="`demagnify bench verify` lists all faults"
        )
    row = load_row(path)
    return row, ScoreTable.load((path if path.is_dir() else path.parent) / row.scores)


def same_faces(rows: Sequence[tuple[Row, ScoreTable]]) -> None:
    """Checks that rows may be compared: one suite, one set of faces.

    Raises:
        BadConfigError: If not.
    """
    (first, scores), *others = rows
    for row, other in others:
        if row.suite_sha256 != first.suite_sha256:
            raise BadConfigError(f"{first.name} and {row.name} are rows of different suites")
        if row.faces.fingerprint != first.faces.fingerprint or other.faces != scores.faces:
            raise BadConfigError(
                f"{first.name} and {row.name} were evaluated on different faces",
                hint="run both on the same data",
            )
