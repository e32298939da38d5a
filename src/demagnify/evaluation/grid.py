"""Every method under every condition of one split, and the figures that follow from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.core.errors import BadConfigError
from demagnify.data.subsample import spread_evenly
from demagnify.evaluation.bootstrap import GroupResamples, interval
from demagnify.evaluation.cells import EvaluatedCell, evaluate_adaptive, evaluate_cell
from demagnify.evaluation.methods import Method
from demagnify.evaluation.records import Estimate, SkippedFile
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    ActionCounts,
    Cell,
    Comparison,
    Recovery,
    RocCurve,
    Settings,
    SplitEntry,
)
from demagnify.evaluation.significance import compare, mean_difference, recovery
from demagnify.laundering.config import CLEAN
from demagnify.scores import LogitTable

ROC_POINTS = 200


class EvaluatedSplit:
    """All methods under all conditions of one split, on the same faces and the same resamples.

    Args:
        name: The split.
        tables: Condition -> logit table of the base detector; must contain the clean faces.
        methods: The rows; must contain the undefended detector.
        settings: Seed, number of resamples, confidence.

    Attributes:
        conditions: Clean, the attacks, and with attacks the adaptive one.

    Raises:
        BadConfigError: If clean faces are missing or attacks were run on different faces.
    """

    def __init__(
        self,
        name: str,
        tables: Mapping[str, LogitTable],
        methods: Sequence[Method],
        settings: Settings,
    ) -> None:
        check_same_faces(name, tables)
        self.name = name
        self.tables = tables
        self.confidence = settings.confidence
        self.faces = tables[CLEAN].faces
        self.labels: NDArray[np.int64] = tables[CLEAN].labels
        resamples = GroupResamples(self.faces.groups, count=settings.resamples, seed=settings.seed)
        self.groups = resamples.groups
        weights = resamples.weights()
        self.conditions = (*tables, ADAPTIVE) if len(tables) > 1 else tuple(tables)
        self._cells: dict[tuple[str, str], EvaluatedCell] = {}
        for method in progress.track(methods, f"evaluating {name}"):
            row = [evaluate_cell(name, one, method, weights, settings.seed) for one in tables]
            if len(row) > 1:
                row.append(evaluate_adaptive(row, weights, settings.seed))
            self._cells |= {(cell.condition, cell.method): cell for cell in row}
        self._methods = {method.name: method for method in methods}

    def __iter__(self) -> Iterator[EvaluatedCell]:
        """Yields all cells, condition by condition."""
        for condition in self.conditions:
            for name in self._methods:
                yield self._cells[condition, name]

    def __getitem__(self, key: tuple[str, str]) -> EvaluatedCell:
        """Returns the cell of (condition, method)."""
        return self._cells[key]

    def table(self, condition: str, method: str) -> LogitTable:
        """Returns the logit table of (the first training of) a method under a condition."""
        return self._methods[method].seeds[0].tables[self.name][condition]

    def describe(self, skipped: Sequence[SkippedFile] = ()) -> SplitEntry:
        """Returns the number of faces, and the files left out: `skipped` and undecodable ones."""
        fake = int(self.labels.sum())
        undecodable = [
            SkippedFile(name=file.where, reason=file.reason) for file in self.faces.skipped
        ]
        return SplitEntry(
            name=self.name,
            real=len(self.labels) - fake,
            fake=fake,
            groups=self.groups,
            skipped=(*skipped, *undecodable),
        )

    def cells(self) -> Iterator[Cell]:
        """Yields every cell's figures with intervals."""
        for cell in self:
            yield Cell(
                split=self.name,
                condition=cell.condition,
                method=cell.method,
                n=len(self.labels),
                groups=self.groups,
                threshold=cell.measured.scores.threshold,
                metrics=cell.measured.intervals(self.confidence),
                passes=cell.passes,
                abstention=cell.abstention(),
            )

    def compare(self, method: str, reference: str) -> Iterator[Comparison]:
        """Yields, per condition, `method` minus `reference` on the same faces.

        Of several trainings, single faces are counted for the first.
        """
        for condition in self.conditions:
            one, two = self[condition, method].measured, self[condition, reference].measured
            yield compare((self.name, condition, method, reference), one, two, self.confidence)

    def recoveries(self, method: str) -> Iterator[Recovery]:
        """Yields, per attack, the share of its damage that `method` undoes, and the cost."""
        clean, cost = self[CLEAN, UNDEFENDED].measured, self[CLEAN, method].measured
        for condition in self.conditions:
            if condition != CLEAN:
                attacked = self[condition, UNDEFENDED].measured
                defended = self[condition, method].measured
                key = (self.name, condition, method)
                yield recovery(key, clean, attacked, cost, defended, self.confidence)

    def mean_gain(
        self, method: str, reference: str, conditions: Sequence[str]
    ) -> tuple[Estimate, Estimate]:
        """Returns the mean gain in balanced accuracy over `reference` under `conditions`.

        The second figure is net of the change on clean faces, which has nothing to do with attacks.
        """
        (point, samples), (clean, clean_samples) = (
            mean_difference(
                [(self[one, method].measured, self[one, reference].measured) for one in names]
            )
            for names in (conditions, [CLEAN])
        )
        gain = interval(point, samples, self.confidence)
        return gain, interval(point - clean, samples - clean_samples, self.confidence)

    def action_counts(self) -> Iterator[ActionCounts]:
        """Yields how often each method that chooses actions took each of them."""
        for cell in self:
            actions = cell.predictions.actions
            if actions is None:
                continue
            names = cell.seeds[0].actions
            real, fake = (
                np.bincount(actions[self.labels == label], minlength=len(names)).tolist()
                for label in (0, 1)
            )
            yield ActionCounts(
                split=self.name,
                condition=cell.condition,
                method=cell.method,
                real=tuple(real),
                fake=tuple(fake),
                actions=names,
            )

    def roc_curves(self, methods: Sequence[str]) -> Iterator[RocCurve]:
        """Yields the ROC curves of `methods`, at most 200 points each; none for one class."""
        if self.labels.min() == self.labels.max():
            return
        for cell in self:
            if cell.method in methods and cell.condition != ADAPTIVE:
                fpr, tpr = _thinned(*cell.measured.scores.roc())
                yield RocCurve(
                    split=self.name, condition=cell.condition, method=cell.method, fpr=fpr, tpr=tpr
                )


def check_same_faces(split: str, tables: Mapping[str, LogitTable]) -> None:
    """Checks that a split has clean faces, and the same ones under every attack.

    Raises:
        BadConfigError: If not.
    """
    if CLEAN not in tables:
        raise BadConfigError(
            f"the split {split!r} has no clean faces", hint=f"add the attack {CLEAN!r}"
        )
    clean = tables[CLEAN]
    for condition, table in tables.items():
        if list(table.faces.names) != list(clean.faces.names):
            raise BadConfigError(
                f"the split {split!r} has other faces under {condition!r} than without attack",
                hint="attack the same manifest",
            )
        if table.transforms.names != clean.transforms.names:
            raise BadConfigError(f"{split!r} under {condition!r} has other actions than clean")


def _thinned(
    fpr: NDArray[np.float64], tpr: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Drops points inside straight runs, then thins out the rest evenly."""
    bends = np.r_[True, (np.diff(fpr, 2) != 0) | (np.diff(tpr, 2) != 0), True]
    kept = np.flatnonzero(bends)
    kept = kept[spread_evenly(len(kept), ROC_POINTS)]
    return tuple(fpr[kept].round(6).tolist()), tuple(tpr[kept].round(6).tolist())
