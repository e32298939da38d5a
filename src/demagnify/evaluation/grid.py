"""Every defence on every attack of one split: the judging itself, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.core.errors import BadConfigError
from demagnify.evaluation.cells import JudgedCell, judge_adaptive, judge_all
from demagnify.evaluation.contender import Contender
from demagnify.evaluation.faced import Faced
from demagnify.evaluation.metrics import COLUMN, MetricName
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    ActionCounts,
    Cell,
    Comparison,
    Estimate,
    Recovery,
    RocCurve,
    Settings,
    SkippedFile,
    SplitEntry,
)
from demagnify.evaluation.statistics import (
    GroupResamples,
    Interval,
    interval,
    mcnemar,
    recovered_share,
)
from demagnify.laundering.conditions import CLEAN
from demagnify.scores import LogitTable

ROC_POINTS = 200


class JudgedSplit:
    """All contenders on all attacks of one split, on the same faces and the same resamples.

    Args:
        name: The split.
        faced: The split's faces under each attack, with the answers of the base detector; must
            contain the clean ones ("none").
        contenders: Who judges; must contain the undefended detector.
        settings: Seed, number of resamples, confidence.

    Attributes:
        attacks: The columns: the attacks, and where there are any the adaptive one.

    Raises:
        BadConfigError: If clean faces are missing or attacks were run on different faces.
    """

    def __init__(
        self,
        name: str,
        faced: Mapping[str, Faced],
        contenders: Sequence[Contender],
        settings: Settings,
    ) -> None:
        check_same_faces(name, faced)
        self.name = name
        self.faced = faced
        self.confidence = settings.confidence
        self.faces = faced[CLEAN].table.faces
        self.labels: NDArray[np.int64] = faced[CLEAN].table.labels
        resamples = GroupResamples(self.faces.groups, count=settings.resamples, seed=settings.seed)
        self.groups = resamples.groups
        weights = resamples.weights()
        self.attacks = (*faced, ADAPTIVE) if len(faced) > 1 else tuple(faced)
        self._cells: dict[tuple[str, str], JudgedCell] = {}
        for contender in progress.track(contenders, f"judging {name}"):
            row = [judge_all(name, attack, contender, weights, settings.seed) for attack in faced]
            if len(row) > 1:
                row.append(judge_adaptive(row, weights, settings.seed))
            self._cells |= {(cell.attack, cell.defense): cell for cell in row}
        self._contenders = {contender.name: contender for contender in contenders}

    def __iter__(self) -> Iterator[JudgedCell]:
        """Yields all cells, attack by attack."""
        for attack in self.attacks:
            for name in self._contenders:
                yield self._cells[attack, name]

    def __getitem__(self, key: tuple[str, str]) -> JudgedCell:
        """Returns the cell of (attack, defence)."""
        return self._cells[key]

    def table(self, attack: str, defense: str) -> LogitTable:
        """Returns the answers on which (the first training of) a defence judged an attack."""
        return self._contenders[defense].members[0].faceds[self.name][attack].table

    def describe(self, skipped: Sequence[SkippedFile] = ()) -> SplitEntry:
        """Returns how many faces there are, and what was left out: `skipped` and undecodable."""
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
                attack=cell.attack,
                defense=cell.defense,
                n=len(self.labels),
                groups=self.groups,
                threshold=cell.measured.scores.threshold,
                metrics=_estimates(cell.measured.intervals(self.confidence)),
                passes=cell.passes,
                withheld=cell.withheld(),
            )

    def compare(self, defense: str, reference: str) -> Iterator[Comparison]:
        """Yields, per attack, `defense` minus `reference` on the same faces.

        Of several trainings, single faces are counted for the first.
        """
        for attack in self.attacks:
            one, two = self[attack, defense].measured, self[attack, reference].measured
            right, right_before = one.scores.correct, two.scores.correct
            yield Comparison(
                split=self.name,
                attack=attack,
                defense=defense,
                reference=reference,
                metrics=_estimates(one.minus(two, self.confidence)),
                mended=int((right & ~right_before).sum()),
                broken=int((~right & right_before).sum()),
                mcnemar_p=mcnemar(right, right_before),
            )

    def recoveries(self, defense: str) -> Iterator[Recovery]:
        """Yields, per real attack, the share of its damage that `defense` undoes, and the cost."""
        clean = self[CLEAN, UNDEFENDED].measured
        cost = self[CLEAN, defense].measured.minus(clean, self.confidence)
        for attack in self.attacks:
            if attack == CLEAN:
                continue
            attacked, defended = self[attack, UNDEFENDED].measured, self[attack, defense].measured
            damage = clean.minus(attacked, self.confidence)["balanced_accuracy"]
            change = defended.minus(attacked, self.confidence)["fpr"]
            risen = defended.minus(clean, self.confidence)["fpr"]
            share = recovered_share(defended, attacked, clean, self.confidence)
            yield Recovery(
                split=self.name,
                attack=attack,
                defense=defense,
                damage=estimate(damage),
                share=estimate(share),
                clean_cost=estimate(cost["balanced_accuracy"]),
                fpr_change=estimate(change),
                fpr_over_clean=estimate(risen),
            )

    def mean_gain(self, defense: str, reference: str, attacks: Sequence[str]) -> Interval:
        """Returns the gain in balanced accuracy over `reference`, averaged over `attacks`."""
        column = COLUMN["balanced_accuracy"]
        pairs = [
            (self[attack, defense].measured, self[attack, reference].measured) for attack in attacks
        ]
        points = [one.point[column] - two.point[column] for one, two in pairs]
        samples = [one.samples[:, column] - two.samples[:, column] for one, two in pairs]
        return interval(float(np.mean(points)), np.mean(samples, axis=0), self.confidence)

    def action_counts(self) -> Iterator[ActionCounts]:
        """Yields how often each defence that chooses actions took each of them."""
        for cell in self:
            actions = cell.judgement.actions
            if actions is None:
                continue
            names = cell.parts[0].actions
            size = len(names)
            yield ActionCounts(
                split=self.name,
                attack=cell.attack,
                defense=cell.defense,
                real=tuple(np.bincount(actions[self.labels == 0], minlength=size).tolist()),
                fake=tuple(np.bincount(actions[self.labels == 1], minlength=size).tolist()),
                actions=names,
            )

    def roc_curves(self, defenses: Sequence[str]) -> Iterator[RocCurve]:
        """Yields the ROC curves of `defenses`, at most 200 points each; none for one class."""
        if self.labels.min() == self.labels.max():
            return
        for cell in self:
            if cell.defense in defenses and cell.attack != ADAPTIVE:
                fpr, tpr = _thinned(*cell.measured.scores.roc())
                yield RocCurve(
                    split=self.name, attack=cell.attack, defense=cell.defense, fpr=fpr, tpr=tpr
                )


def estimate(figure: Interval) -> Estimate:
    """Returns `figure` as the document holds it: no NaN, but nothing and a reason."""
    return Estimate(
        value=none_if_nan(figure.value),
        low=none_if_nan(figure.low),
        high=none_if_nan(figure.high),
        reason=figure.reason,
    )


def none_if_nan(value: float) -> float | None:
    """Returns `value`, or None for NaN, which JSON does not know."""
    return None if math.isnan(value) else float(value)


def _estimates(figures: Mapping[MetricName, Interval]) -> dict[MetricName, Estimate]:
    return {name: estimate(figure) for name, figure in figures.items()}


def check_same_faces(split: str, faced: Mapping[str, Faced]) -> None:
    """Checks that a split has clean faces, and the same ones under every attack.

    Raises:
        BadConfigError: If not.
    """
    if CLEAN not in faced:
        raise BadConfigError(
            f"the split {split!r} has no clean faces", hint=f"add the attack {CLEAN!r}"
        )
    clean = faced[CLEAN].table
    for attack, one in faced.items():
        if list(one.table.faces.names) != list(clean.faces.names):
            raise BadConfigError(
                f"the split {split!r} has other faces under {attack!r} than without attack",
                hint="attack the same manifest",
            )
        if one.table.actions.names != clean.actions.names:
            raise BadConfigError(f"{split!r} under {attack!r} has other actions than clean")


def _thinned(
    fpr: NDArray[np.float64], tpr: NDArray[np.float64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Drops points inside straight runs, then evenly thins out what is left."""
    bends = np.r_[True, (np.diff(fpr, 2) != 0) | (np.diff(tpr, 2) != 0), True]
    kept = np.flatnonzero(bends)
    if len(kept) > ROC_POINTS:
        kept = kept[np.linspace(0, len(kept) - 1, ROC_POINTS).round().astype(np.int64)]
    return tuple(fpr[kept].round(6).tolist()), tuple(tpr[kept].round(6).tolist())
