"""Greedy policy search: test-time augmentation with a fixed set of chosen actions.

Molchanov, Lyzhov, Molchanova, Ashukha & Vetrov, "Greedy Policy Search: A Simple Baseline for
Learnable Test-Time Augmentation" (UAI 2020, arXiv 2002.09103): actions are added one by one, again
if need be, so that the calibrated log-likelihood of the averaged predictions grows most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.judgement import Defense, Judgement
from demagnify.evaluation.baselines.pool import Pool
from demagnify.scores import LogitTable

MOST: Final = 5
"""Answers that are averaged at most."""
_ENDS: Final = 1e-6
_TEMPERATURES: Final = np.exp(np.linspace(-3.0, 3.0, 61))

Chances = NDArray[np.float64]


class GreedySearch(Defense):
    """Averages the chances of a fake after a few actions, the same for every face.

    Args:
        actions: Numbers of the actions; one may come more than once.
    """

    name = "greedy policy search"

    def __init__(self, actions: Sequence[int]) -> None:
        self.actions = tuple(actions)

    @classmethod
    def fit(cls, pool: Pool) -> GreedySearch:
        """Adds actions while the calibrated log-likelihood grows, `MOST` at most."""
        chances, labels = _chances(pool.table), pool.table.labels
        chosen: list[int] = []
        reached = -np.inf
        while len(chosen) < MOST:
            gains = [
                calibrated_likelihood(chances[:, [*chosen, action]].mean(axis=1), labels)
                for action in range(chances.shape[1])
            ]
            if max(gains) <= reached:
                break
            chosen.append(int(np.argmax(gains)))
            reached = max(gains)
        return cls(chosen)

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` by the mean chance after the chosen actions."""
        mean = _chances(table)[:, list(self.actions)].mean(axis=1)
        passes = set(np.where(table.actions.leaving[list(self.actions)], 0, self.actions).tolist())
        return Judgement(
            logits=_logit(mean).astype(np.float32),
            actions=None,
            threshold=0.0,
            calls=np.full(len(mean), len(passes), dtype=np.int64),
        )


def calibrated_likelihood(chances: Chances, labels: NDArray[np.int64]) -> float:
    """Returns the mean log-likelihood of labels at the best temperature, classes counting alike.

    Args:
        chances: (N,), of a fake.
        labels: (N,), 0 real and 1 fake.
    """
    margins = np.where(labels == 1, 1.0, -1.0) * _logit(chances)
    counts = np.bincount(labels, minlength=2)
    weights = (1.0 / np.maximum(counts, 1))[labels]

    losses = np.logaddexp(0.0, -margins / _TEMPERATURES[:, None])
    return -float(np.average(losses, axis=1, weights=weights).min())


def _chances(table: LogitTable) -> Chances:
    above = table.logits.astype(np.float64) - table.threshold
    chances: Chances = 0.5 * (1.0 + np.tanh(0.5 * above))
    return chances


def _logit(chances: Chances) -> Chances:
    inside = np.clip(chances, _ENDS, 1.0 - _ENDS)
    logits: Chances = np.log(inside / (1.0 - inside))
    return logits
