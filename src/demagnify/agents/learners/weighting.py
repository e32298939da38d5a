"""How much each face counts in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Weighting:
    """Weights of faces: classes alike, and conditions alike or the worst ones first.

    With a rate above 0 the conditions play against the policy: after each pass the weight of a
    condition is multiplied by exp(rate x shortfall), as in group DRO (Sagawa et al., ICLR 2020).
    What counts is how far the policy's mean reward falls short of the best fixed action's in that
    condition (the regret of Agarwal & Zhang, COLT 2022), not the loss itself: a condition in
    which no action helps would otherwise take all the weight.

    Args:
        labels: int64 (N,), 0 real and 1 fake.
        conditions: str (N,); None makes one condition of all faces.
        rewards: float32 (N, A).
        balance: Whether real and fake faces get the same weight in sum.
        rate: How fast weight moves.
    """

    def __init__(
        self,
        labels: Integers,
        conditions: NDArray[np.str_] | None,
        rewards: Floats,
        *,
        balance: bool,
        rate: float,
    ) -> None:
        self.rewards = rewards
        self.rate = rate
        self._condition = np.zeros(len(labels), dtype=np.int64)
        if conditions is not None:
            self._condition = np.unique(conditions, return_inverse=True)[1]
        self._base = np.ones(len(labels), dtype=np.float32)
        counts = np.bincount(labels, minlength=2)
        if balance and counts.all():
            self._base = (len(labels) / 2 / counts)[labels].astype(np.float32)
        count = int(self._condition.max(initial=0)) + 1
        self._logs = np.zeros(count, dtype=np.float64)

    def of_faces(self) -> Floats:
        """Returns the weight of each face, float32 (N,)."""
        shares = np.exp(self._logs - self._logs.max())
        factors = shares / shares.mean()
        weights: Floats = self._base * factors[self._condition].astype(np.float32)
        return weights

    def shortfall(self, rows: Integers, chosen: Integers) -> NDArray[np.float64]:
        """Returns by how much a policy is worse than the best fixed action, per condition.

        Args:
            rows: int64 (n,), faces.
            chosen: int64 (n,), its actions there.

        Returns:
            float64 (conditions,); below 0 where it is better, 0 in a condition without faces.
        """
        missing = np.zeros(len(self._logs))
        for condition in range(len(missing)):
            mine = self._condition[rows] == condition
            if mine.any():
                rewards, weights = self.rewards[rows[mine]], self._base[rows[mine]]
                fixed = np.average(rewards, axis=0, weights=weights).max()
                taken = rewards[np.arange(len(rewards)), chosen[mine]]
                missing[condition] = fixed - np.average(taken, weights=weights)
        return missing

    def move(self, rows: Integers, chosen: Integers) -> None:
        """Moves weight to the conditions in which a policy falls shortest; see `shortfall`."""
        self._logs += self.rate * self.shortfall(rows, chosen)
