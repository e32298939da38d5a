"""Every defence on every attack of one split: the judging itself, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demagnify import progress
from demagnify.defense.judgement import Defense, Judgement
from demagnify.errors import BadConfigError
from demagnify.evaluation.context import Settings, SkippedFile
from demagnify.evaluation.faced import Faced
from demagnify.evaluation.metrics import COLUMN, MetricName, Scores
from demagnify.evaluation.result import (
    CLEAN,
    UNDEFENDED,
    ActionCounts,
    Cell,
    Comparison,
    Estimate,
    Recovery,
    RocCurve,
    SplitEntry,
)
from demagnify.evaluation.statistics import (
    GroupResamples,
    Interval,
    Measured,
    interval,
    mcnemar,
    recovered_share,
)

ROC_POINTS = 200


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """One defence's verdicts under one attack, measured."""

    attack: str
    defense: str
    judgement: Judgement
    measured: Measured


class JudgedSplit:
    """All defences on all attacks of one split, on the same faces and the same resamples.

    Args:
        name: The split.
        faced: The split's faces under each attack; must contain the clean ones ("none").
        defenses: Who judges; must contain the undefended detector.
        settings: Seed, number of resamples, confidence.

    Raises:
        BadConfigError: If clean faces are missing or attacks were run on different faces.
    """

    def __init__(
        self,
        name: str,
        faced: Mapping[str, Faced],
        defenses: Sequence[Defense],
        settings: Settings,
    ) -> None:
        _check_same_faces(name, faced)
        self.name = name
        self.faced = faced
        self.confidence = settings.confidence
        self.faces = faced[CLEAN].table.faces
        self.labels: NDArray[np.int64] = faced[CLEAN].table.labels
        resamples = GroupResamples(self.faces.groups, count=settings.resamples, seed=settings.seed)
        self.groups = resamples.groups
        weights = resamples.weights()
        pairs = [(attack, defense) for attack in faced for defense in defenses]
        self._cells = {
            (attack, defense.name): _judge(attack, faced[attack], defense, weights)
            for attack, defense in progress.track(pairs, f"judging {name}")
        }

    def __iter__(self) -> Iterator[JudgedCell]:
        return iter(self._cells.values())

    def __getitem__(self, key: tuple[str, str]) -> JudgedCell:
        """Returns the cell of (attack, defence)."""
        return self._cells[key]

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
            )

    def compare(self, defense: str, reference: str) -> Iterator[Comparison]:
        """Yields, per attack, `defense` minus `reference` on the same faces."""
        for attack in self.faced:
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
        for attack in self.faced:
            if attack == CLEAN:
                continue
            attacked, defended = self[attack, UNDEFENDED].measured, self[attack, defense].measured
            damage = clean.minus(attacked, self.confidence)["balanced_accuracy"]
            change = defended.minus(attacked, self.confidence)["fpr"]
            share = recovered_share(defended, attacked, clean, self.confidence)
            yield Recovery(
                split=self.name,
                attack=attack,
                defense=defense,
                damage=estimate(damage),
                share=estimate(share),
                clean_cost=estimate(cost["balanced_accuracy"]),
                fpr_change=estimate(change),
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
            size = len(self.faced[cell.attack].table.actions)
            yield ActionCounts(
                split=self.name,
                attack=cell.attack,
                defense=cell.defense,
                real=tuple(np.bincount(actions[self.labels == 0], minlength=size).tolist()),
                fake=tuple(np.bincount(actions[self.labels == 1], minlength=size).tolist()),
            )

    def roc_curves(self, defenses: Sequence[str]) -> Iterator[RocCurve]:
        """Yields the ROC curves of `defenses`, at most 200 points each; none for one class."""
        if self.labels.min() == self.labels.max():
            return
        for cell in self:
            if cell.defense in defenses:
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


def _judge(attack: str, faced: Faced, defense: Defense, weights: NDArray[np.uint16]) -> JudgedCell:
    judgement = defense.judge(faced.table, faced.states)
    # Logits are float32: the threshold must be too, or a tie with it would be decided by rounding.
    threshold = float(np.float32(judgement.threshold))
    scores = Scores(faced.table.labels, judgement.logits, threshold)
    return JudgedCell(attack, defense.name, judgement, Measured.over(scores, weights))


def _check_same_faces(split: str, faced: Mapping[str, Faced]) -> None:
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
