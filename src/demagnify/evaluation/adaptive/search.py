"""The search of the adaptive attacker: which attack is tried on which face, and the outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict, Field

from demagnify.core.settings import Frozen
from demagnify.laundering.conditions import is_attacked
from demagnify.laundering.config import Attacked

Order = Literal["success", "quality", "given"]


class SearchConfig(Frozen):
    """The budget of the attacker for each face, and how it is spent."""

    model_config = ConfigDict(allow_inf_nan=False)

    budget: int = Field(
        default=16,
        ge=2,
        description="Queries per face; the one about the original counts, too.",
    )
    stop_at_success: bool = Field(
        default=False,
        description="Take the first attack that turns the verdict, instead of the one that moves "
        "the logit furthest within the budget.",
    )
    order: Order = Field(
        default="success",
        description="Which attack is tried first: the one that succeeded most often on earlier "
        "faces of the same label, the one closest to the original, or the first --attack.",
    )
    targets: Attacked = Field(
        default="all",
        description="Which faces are attacked: fakes to pass as real, real ones to be called fake.",
    )
    min_psnr: float = Field(
        default=0.0,
        ge=0.0,
        description="Try nothing that leaves a face with less PSNR, in dB.",
    )
    block: int = Field(
        default=32,
        ge=1,
        description="How many faces are attacked side by side; the successes on them order the "
        "attacks on the next ones.",
    )


Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Ranking:
    """Ranks the attacks that are left to a face; under "success" it learns from every try."""

    def __init__(self, order: Order, psnr: Floats) -> None:
        self._order = order
        self._psnr = psnr
        self._tries = np.zeros((2, psnr.shape[1]), dtype=np.int64)
        self._successes = np.zeros_like(self._tries)

    def choose(self, faces: Integers, labels: Integers, left: Flags) -> Integers:
        """Returns for each face the attack to try next.

        Ties go to the higher PSNR, then to the earlier attack.

        Args:
            faces: int64 (n,), numbers of faces.
            labels: int64 (n,), their labels.
            left: bool (n, M), the attacks not tried yet; at least one attack in each row.
        """
        numbers = np.broadcast_to(np.arange(left.shape[1]), left.shape)
        keys: list[NDArray[np.generic]] = [numbers]
        if self._order != "given":
            keys.append(-self._psnr[faces])
        if self._order == "success":
            keys.append(-self._rates()[labels])
        best: Integers = np.lexsort([*keys, ~left], axis=-1)[:, 0]
        return best

    def learn(self, attacks: Integers, labels: Integers, succeeded: Flags) -> None:
        """Takes note of which tries turned a verdict, each array (n,)."""
        np.add.at(self._tries, (labels, attacks), 1)
        np.add.at(self._successes, (labels, attacks), succeeded)

    def _rates(self) -> Floats:
        """Success per label and attack, (2, M); an attack without a try counts as one half."""
        rates: Floats = (self._successes + 1) / (self._tries + 2)
        return rates


Scores = NDArray[np.float32]
Ask = Callable[[Integers, Integers], Scores]
"""Maps n numbers of faces and n of attacks (-1: the original) to n scores of the detector."""

ORIGINAL: Final = -1


@dataclass(frozen=True, slots=True)
class Search:
    """The search so far and, when it has ended, its outcome, for each of N faces.

    Attributes:
        queries: int64 (N,), how often the detector was asked about each face, the question about
            the original being the first; 0 for faces that are no target.
        mistaken: bool (N,), targeted faces that the detector misclassifies without any attack; they
            stay unchanged, after one query.
        success_at: int64 (N,), the query that first turned the verdict; 0 where none did.
        winner: int64 (N,), the number of the attack that is published; -1 is the original.
        before: float32 (N,), the score of the original; NaN for faces that are no target.
        after: float32 (N,), the score of the winner; NaN for faces that are no target.
        tried: bool (N, M), which attacks the detector was asked about.
        turned: bool (N, M), which of them turned the verdict.
    """

    queries: Integers
    mistaken: Flags
    success_at: Integers
    winner: Integers
    before: Scores
    after: Scores
    tried: Flags
    turned: Flags

    @classmethod
    def begin(cls, faces: int, attacks: int) -> Search:
        """Returns the search before its first query."""
        return cls(
            queries=np.zeros(faces, dtype=np.int64),
            mistaken=np.zeros(faces, dtype=np.bool_),
            success_at=np.zeros(faces, dtype=np.int64),
            winner=np.full(faces, ORIGINAL, dtype=np.int64),
            before=np.full(faces, np.nan, dtype=np.float32),
            after=np.full(faces, np.nan, dtype=np.float32),
            tried=np.zeros((faces, attacks), dtype=np.bool_),
            turned=np.zeros((faces, attacks), dtype=np.bool_),
        )

    @property
    def targeted(self) -> Flags:
        """Which faces are attacked, bool (N,)."""
        return self.queries > 0

    @property
    def attackable(self) -> Flags:
        """Targets that the detector classifies right before the attack, bool (N,)."""
        return self.targeted & ~self.mistaken

    @property
    def succeeded(self) -> Flags:
        """Whose verdict was right and is wrong now, bool (N,)."""
        return self.success_at > 0


def search(
    labels: ArrayLike,
    psnr: ArrayLike,
    ask: Ask,
    *,
    threshold: float,
    config: SearchConfig,
    advance: Callable[[int], None] = lambda _count: None,
) -> Search:
    """Finds for each face the attack that moves the logit furthest to the wrong side.

    Of attacks with one score the winner is the one with the higher PSNR. The original stays
    where nothing moves the score the attacker's way.

    Args:
        labels: (N,), 0 real and 1 fake.
        psnr: (N, M), PSNR in dB of every face after every attack.
        ask: Asks the detector; each (face, attack) at most once.
        threshold: A score above it is the verdict "fake".
        config: Budget, order and the rest.
        advance: Gets the number of targets that were finished.
    """
    known = np.asarray(labels, np.int64)
    attacker = _Attacker(known, np.asarray(psnr, np.float64), threshold, config)
    targets = np.flatnonzero(is_attacked(known, config.targets))
    for start in range(0, len(targets), config.block):
        block = targets[start : start + config.block]
        attacker.query_originals(block, ask)
        while len(pending := attacker.pending(block)):
            attacker.attack(pending, ask)
        advance(len(block))
    return attacker.search


class _Attacker:
    """Carries a search on, and knows what it needs for that."""

    def __init__(
        self, labels: Integers, psnr: Floats, threshold: float, config: SearchConfig
    ) -> None:
        self.search = Search.begin(*psnr.shape)
        self._labels = labels
        self._psnr = psnr
        self._threshold = np.float32(threshold)
        self._config = config
        self._ranking = Ranking(config.order, psnr)
        self._allowed = psnr >= config.min_psnr
        self._winner_psnr = np.full(len(labels), np.inf)

    def query_originals(self, faces: Integers, ask: Ask) -> None:
        """Queries the originals."""
        scores = ask(faces, np.full_like(faces, ORIGINAL))
        found = self.search
        found.before[faces] = found.after[faces] = scores
        found.mistaken[faces] = self._is_wrong(faces, scores)
        found.queries[faces] = 1

    def pending(self, faces: Integers) -> Integers:
        """Returns those of `faces` on which there is an attack left to try, and budget for it."""
        found = self.search
        going = ~found.mistaken[faces] & (found.queries[faces] < self._config.budget)
        going &= self._left(faces).any(axis=1)
        if self._config.stop_at_success:
            going &= found.success_at[faces] == 0
        return faces[going]

    def attack(self, faces: Integers, ask: Ask) -> None:
        """Tries one more attack on each of `faces`."""
        found, labels = self.search, self._labels[faces]
        attacks = self._ranking.choose(faces, labels, self._left(faces))
        scores = ask(faces, attacks)
        turned = self._is_wrong(faces, scores)
        found.queries[faces] += 1
        found.tried[faces, attacks] = True
        found.turned[faces, attacks] = turned
        first = faces[turned & (found.success_at[faces] == 0)]
        found.success_at[first] = found.queries[first]
        self._crown(faces, attacks, scores)
        self._ranking.learn(attacks, labels, turned)

    def _left(self, faces: Integers) -> Flags:
        left: Flags = self._allowed[faces] & ~self.search.tried[faces]
        return left

    def _is_wrong(self, faces: Integers, scores: Scores) -> Flags:
        wrong: Flags = (scores > self._threshold) != (self._labels[faces] == 1)
        return wrong

    def _crown(self, faces: Integers, attacks: Integers, scores: Scores) -> None:
        """Lets a try replace the winner if its logit is better, or equal with a higher PSNR."""
        pull = np.where(self._labels[faces] == 1, np.float32(-1), np.float32(1))
        gain = pull * (scores - self.search.after[faces])
        psnr = self._psnr[faces, attacks]
        better = (gain > 0) | ((gain == 0) & (psnr > self._winner_psnr[faces]))
        chosen = faces[better]
        self.search.winner[chosen] = attacks[better]
        self._winner_psnr[chosen] = psnr[better]
        self.search.after[chosen] = scores[better]
