"""One method under one condition: its verdicts, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.judgement import Judgement
from demagnify.evaluation.contender import Contender
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.results import ADAPTIVE, Withheld
from demagnify.evaluation.selective import Selective, aurc, risk_coverage
from demagnify.evaluation.statistics import Measured

Array = NDArray[Any]


def worst_of(judgements: Sequence[Judgement], labels: NDArray[np.int64]) -> Judgement:
    """Returns what a defence says about each face under the attack that hurts it most there.

    Args:
        judgements: Of one defence on the same N faces, clean and under each attack, all with one
            threshold.
        labels: int64 (N,), 0 real and 1 fake.

    Raises:
        ValueError: If the thresholds differ.
    """
    first = judgements[0]
    if any(one.threshold != first.threshold for one in judgements):
        raise ValueError("scores under different attacks have different thresholds")
    logits = np.stack([one.logits for one in judgements])
    worst = np.where(labels == 1, logits, -logits).argmin(axis=0)
    faces = np.arange(len(labels))

    def taken(part: Callable[[Judgement], Array | None]) -> Array | None:
        parts = [part(one) for one in judgements]
        there = [one for one in parts if one is not None]
        return np.stack(there)[worst, faces] if len(there) == len(parts) else None

    return Judgement(
        logits=logits[worst, faces],
        actions=taken(lambda one: one.actions),
        threshold=first.threshold,
        unsure=taken(lambda one: one.unsure),
        doubt=taken(lambda one: one.doubt),
        calls=taken(lambda one: one.calls),
    )


Weights = NDArray[np.uint16]
_CURVE_POINTS = 60


@dataclass(frozen=True, slots=True)
class Part:
    """What one training of a defence says.

    Attributes:
        name: Of the row, with the training's number where there are several.
        judgement: Its verdicts.
        scores: The same with labels.
        actions: The names of what it can do.
    """

    name: str
    judgement: Judgement
    scores: Scores
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """One defence's verdicts under one attack, measured.

    Attributes:
        attack: The attack.
        defense: The row's name.
        parts: One training, or several with different seeds.
        measured: The figures; the mean over the trainings.
    """

    attack: str
    defense: str
    parts: tuple[Part, ...]
    measured: Measured

    @property
    def judgement(self) -> Judgement:
        """The verdicts of the first training."""
        return self.parts[0].judgement

    @property
    def passes(self) -> float | None:
        """Detector passes per face, on average; None if they were not counted."""
        calls = [part.judgement.calls for part in self.parts]
        counted = [float(one.mean()) for one in calls if one is not None]
        return float(np.mean(counted)) if len(counted) == len(calls) else None

    def withheld(self) -> Withheld | None:
        """Returns what becomes of the verdicts of the first training that are withheld."""
        part = self.parts[0]
        unsure, doubt = part.judgement.unsure, part.judgement.doubt
        if unsure is None:
            return None
        found = Selective.of(part.scores.correct, unsure)
        return Withheld(
            coverage=found.coverage,
            risk=_none_if_nan(found.risk),
            withheld_risk=_none_if_nan(found.withheld_risk),
            aurc=None if doubt is None else aurc(part.scores.correct, doubt),
            curve=() if doubt is None else _curve(part.scores.correct, doubt),
        )


def judge_all(
    split: str, attack: str, contender: Contender, weights: Weights, seed: int
) -> JudgedCell:
    """Lets a contender judge the faces of one split under one attack.

    Args:
        split: The split's name.
        attack: The attack's name.
        contender: Who judges, each member on the answers of its own detector.
        weights: (B, N), the resamples.
        seed: Of the draws among several trainings.
    """
    parts = []
    for number, member in enumerate(contender.members):
        faced = member.faceds[split][attack]
        judgement = member.defense.judge(faced.table, faced.states)
        names = tuple(faced.table.actions.names)
        name = _part_name(contender, number)
        parts.append(_part(name, judgement, faced.table.labels, names))
    return _cell(attack, contender.name, parts, weights, seed)


def judge_adaptive(cells: Sequence[JudgedCell], weights: Weights, seed: int) -> JudgedCell:
    """Returns one contender's cell against the attacker who knows it; see `worst_of`.

    Args:
        cells: Its cells on the same faces, clean and under each attack.
        weights: (B, N), the resamples.
        seed: Of the draws among several trainings.
    """
    first = cells[0]
    parts = [
        _part(
            part.name,
            worst_of([cell.parts[number].judgement for cell in cells], part.scores.labels),
            part.scores.labels,
            part.actions,
        )
        for number, part in enumerate(first.parts)
    ]
    return _cell(ADAPTIVE, first.defense, parts, weights, seed)


def _cell(attack: str, name: str, parts: Sequence[Part], weights: Weights, seed: int) -> JudgedCell:
    measured = Measured.averaged([Measured.over(part.scores, weights) for part in parts], seed)
    return JudgedCell(attack, name, tuple(parts), measured)


def _part(
    name: str, judgement: Judgement, labels: NDArray[np.int64], actions: tuple[str, ...]
) -> Part:
    # Logits are float32: the threshold must be too, or a tie with it would be decided by rounding.
    threshold = float(np.float32(judgement.threshold))
    return Part(name, judgement, Scores(labels, judgement.logits, threshold), actions)


def _part_name(contender: Contender, number: int) -> str:
    many = len(contender.members) > 1
    return f"{contender.name} #{number + 1}" if many else contender.name


def _curve(
    correct: NDArray[np.bool_], doubt: NDArray[np.float32]
) -> tuple[tuple[float, float], ...]:
    curve = risk_coverage(correct, doubt)
    kept = np.unique(
        np.linspace(0, len(curve.coverage) - 1, _CURVE_POINTS).round().astype(np.int64)
    )
    return tuple(
        (float(coverage), float(risk))
        for coverage, risk in zip(curve.coverage[kept], curve.risk[kept], strict=True)
    )


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value
