"""Paired tests between two rows on the same faces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from demagnify.evaluation.bootstrap import Measured
from demagnify.evaluation.records import Estimate, Record
from demagnify.evaluation.results import ADAPTIVE, Comparison
from demagnify.evaluation.significance import compare, corrected, mean_gain
from demagnify.evaluation.suite.row import Row, measure, same_faces, verified


class RowComparison(Record):
    """The first row minus the second, paired by face and resample."""

    first: str
    second: str
    suite: str
    faces: int
    groups: int
    mean_gain: Estimate = Field(
        description="Balanced accuracy, mean over the conditions with an attack"
    )
    conditions: tuple[Comparison, ...] = Field(
        description="By condition, with McNemar's test after Holm's correction for all of them"
    )


def compare_rows(first: Path, second: Path) -> RowComparison:
    """Compares the methods of two rows: a paired bootstrap over groups, and McNemar's exact test.

    Both rows are verified first. The resamples are those of the first row.

    Args:
        first: A row, or its folder.
        second: Another, of the same suite and the same faces.

    Raises:
        BadArtifactError: If a row has changed since it was written.
        BadConfigError: If suite or faces differ.
    """
    rows = [verified(path) for path in (first, second)]
    same_faces(rows)
    (one, scores), (two, others) = rows
    mine = _own(one, measure(scores, one.suite, one.entry, one.statistics))
    theirs = _own(two, measure(others, one.suite, two.entry, one.statistics))
    confidence = one.statistics.confidence
    found = [
        compare((one.suite.split, name, one.name, two.name), mine[name], theirs[name], confidence)
        for name in (*one.suite.conditions, ADAPTIVE)
    ]
    pairs = [(mine[name], theirs[name]) for name in one.suite.attacked]
    return RowComparison(
        first=one.name,
        second=two.name,
        suite=one.suite.name,
        faces=len(scores.faces),
        groups=one.faces.groups,
        mean_gain=mean_gain(pairs, confidence),
        conditions=tuple(corrected(found)),
    )


def _own(row: Row, measured: Mapping[tuple[str, str], Measured]) -> dict[str, Measured]:
    return {name: one for (name, method), one in measured.items() if method == row.method}
