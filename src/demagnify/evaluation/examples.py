"""A few faces to look at: original, attacked, and as the agent corrected them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from demagnify.core import rng as randomness
from demagnify.core.images import Pixels, from_batch
from demagnify.evaluation.context import Record
from demagnify.evaluation.grid import JudgedSplit
from demagnify.evaluation.result import UNDEFENDED
from demagnify.scores import LogitTable

Outcome = Literal["mended", "broken", "right", "wrong"]

_SHOWN: Final[dict[Outcome, int]] = {"mended": 2, "broken": 2, "right": 1, "wrong": 1}


class Example(Record):
    """One attacked face before and after the defence; its pictures are PNG files beside it.

    Attributes:
        outcome: What the defence did to the verdict: mended or broke it, or left it right or wrong.
        population: How many faces of the split had this outcome; examples are drawn at random
            among them.
        score_before: Logit of the attacked face.
        score_after: Logit after the action.
    """

    split: str
    attack: str
    defense: str
    name: str
    label: int
    outcome: Outcome
    population: int
    action: str
    score_before: float
    threshold_before: float
    score_after: float
    threshold_after: float


class Pictures:
    """The three photographs of an example, each uint8 RGB (H, W, 3).

    Args:
        original: The face as it was.
        attacked: After the attack.
        corrected: After the attack and the agent's action.
    """

    def __init__(self, original: Pixels, attacked: Pixels, corrected: Pixels) -> None:
        self.original = original
        self.attacked = attacked
        self.corrected = corrected


def pick_examples(
    split: JudgedSplit, attack: str, defense: str, *, seed: int = 0
) -> Iterator[tuple[Example, Pictures]]:
    """Yields a few faces of each outcome, drawn at random within the outcome.

    Args:
        split: The judged split.
        attack: Under which attack.
        defense: A defence that chooses actions.
        seed: Same seed, same faces.
    """
    before, after = split[attack, UNDEFENDED].measured, split[attack, defense].measured
    actions = split[attack, defense].judgement.actions
    if actions is None:
        return
    outcomes = _outcomes(before.scores.correct, after.scores.correct)
    for number, (outcome, shown) in enumerate(_SHOWN.items()):
        members = np.flatnonzero(outcomes == number)
        order = randomness.generator(seed, "examples", number).permutation(members)
        for face in order[:shown]:
            example = Example(
                split=split.name,
                attack=attack,
                defense=defense,
                name=str(split.faces.names[face]),
                label=int(split.labels[face]),
                outcome=outcome,
                population=len(members),
                action=split[attack, defense].parts[0].actions[actions[face]],
                score_before=float(before.scores.logits[face]),
                threshold_before=before.scores.threshold,
                score_after=float(after.scores.logits[face]),
                threshold_after=after.scores.threshold,
            )
            table = split.table(attack, defense)
            yield example, _pictures(split, table, int(face), int(actions[face]))


def _pictures(split: JudgedSplit, table: LogitTable, face: int, action: int) -> Pictures:
    attacked = table.faces.batch(np.array([face]))
    return Pictures(
        from_batch(split.faces.batch(np.array([face])))[0],
        from_batch(attacked)[0],
        from_batch(table.actions[action](attacked))[0],
    )


def _outcomes(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places in `_SHOWN`, for each face."""
    return np.select([~before & after, before & ~after, before & after], [0, 1, 2], default=3)
