"""What stands beside a learned defence, because its figure means nothing without it.

Whatever must be chosen is chosen on the faces given here: those of the selection split, under
the attacks that the learned defences saw too, so that nobody knows more than the learner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.defense.judgement import Defense
from demagnify.defense.reward_table import RewardTable
from demagnify.evaluation.baselines import (
    AlwaysAction,
    AverageActions,
    MovedThreshold,
    Oracle,
    RandomAction,
)
from demagnify.evaluation.context import Settings
from demagnify.evaluation.faced import Faced
from demagnify.evaluation.metrics import Floats
from demagnify.evaluation.result import CLEAN, DefenseEntry, Role

_NOTES: Final = {
    "always": "Does the same to every face.",
    "undefended": "The detector alone, which is also never acting: every face is left as it is.",
    "random": "Draws each face's action at random.",
    "oracle": "Takes the best action knowing the label.",
    "average": "Averages the logits over all actions (test-time augmentation).",
}


@dataclass(frozen=True, slots=True)
class References:
    """The reference defences.

    Attributes:
        defenses: Who judges, the undefended detector first.
        entries: What they are, in the same order.
        best_fixed: Of those that always do the same, the best; may be the undefended detector.
        retuned: The one that only moves the threshold.
    """

    defenses: tuple[Defense, ...]
    entries: tuple[DefenseEntry, ...]
    best_fixed: str
    retuned: str


def choose_references(
    faced: Mapping[str, Faced], *, seen: Sequence[str], settings: Settings
) -> References:
    """Makes the reference defences; chooses action and threshold on `faced`.

    Args:
        faced: The selection split under each attack.
        seen: The attacks that the learned defences saw; all of `faced` if none of them is there.
        settings: Seed, and the selection split's name for the notes.
    """
    known = [name for name in faced if name in seen]
    tables = [faced[name].table for name in ([CLEAN, *known] if known else faced)]
    actions = tables[0].actions.names
    always = [AlwaysAction(number, name) for number, name in enumerate(actions)]
    best = always[choose_action(tables)]
    moved = MovedThreshold(choose_threshold(tables))
    chosen_on = f"chosen on the split {settings.selection_split!r}"
    judges: list[tuple[Defense, Role, str]] = [
        (always[0], "undefended", _NOTES["undefended"]),
        *((one, "baseline", _NOTES["always"]) for one in always[1:]),
        (RandomAction(settings.seed), "baseline", _NOTES["random"]),
        (moved, "baseline", f"Only moves the threshold to {moved.threshold:.3g}, {chosen_on}."),
        (AverageActions(), "baseline", _NOTES["average"]),
        (Oracle(), "bound", _NOTES["oracle"]),
    ]
    entries = tuple(
        DefenseEntry(
            name=judge.name,
            role=role,
            note=f"{note} The best single action, {chosen_on}." if judge is best else note,
        )
        for judge, role, note in judges
    )
    return References(tuple(judge for judge, _, _ in judges), entries, best.name, moved.name)


def choose_action(tables: Sequence[RewardTable]) -> int:
    """Returns the action with the best balanced accuracy, averaged over `tables`.

    Of equals the one with the smallest number, so that leaving alone wins a tie.
    """
    scores = [
        _balanced(table.logits > np.float32(table.threshold), table.labels) for table in tables
    ]
    return int(np.mean(scores, axis=0).argmax())


def choose_threshold(tables: Sequence[RewardTable]) -> float:
    """Returns the threshold with the best balanced accuracy, averaged over `tables`, leaving alone.

    Candidates are the detector's own threshold and the midpoints between neighbouring scores; of
    equals the nearest to the detector's.
    """
    own = np.float32(tables[0].threshold)
    scores = np.unique(np.concatenate([table.logits[:, 0] for table in tables]))
    candidates = np.r_[own, (scores[1:] + scores[:-1]) / 2].astype(np.float32)
    gains = np.mean([_balanced_at(candidates, table) for table in tables], axis=0)
    best = candidates[gains >= gains.max() - 1e-12]
    return float(best[np.abs(best - own).argmin()])


def _balanced(fake: NDArray[np.bool_], labels: NDArray[np.int64]) -> Floats:
    """Balanced accuracy of each column of verdicts (N, K); of a class without faces, nothing."""
    rates = [
        (fake[labels == label] == bool(label)).mean(axis=0)
        for label in (0, 1)
        if (labels == label).any()
    ]
    balanced: Floats = np.mean(rates, axis=0)
    return balanced


def _balanced_at(thresholds: NDArray[np.float32], table: RewardTable) -> Floats:
    """Balanced accuracy at each threshold, through sorted scores instead of N x K verdicts."""
    rates = []
    for label in (0, 1):
        scores = np.sort(table.logits[table.labels == label, 0])
        if len(scores):
            below = np.searchsorted(scores, thresholds, side="right") / len(scores)
            rates.append(1.0 - below if label else below)
    balanced: Floats = np.mean(rates, axis=0)
    return balanced
