"""Choosing an action and a threshold by balanced accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demagnify.evaluation.metrics import Floats
from demagnify.scores import LogitTable

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


def choose_action(tables: Sequence[LogitTable]) -> int:
    """Returns the action with the best balanced accuracy, averaged over `tables`.

    Of equals the one with the smallest number, so that leaving alone wins a tie.
    """
    scores = [
        balanced(table.logits > np.float32(table.threshold), table.labels) for table in tables
    ]
    return int(np.mean(scores, axis=0).argmax())


def choose_threshold(tables: Sequence[LogitTable]) -> float:
    """Returns the threshold with the best balanced accuracy, averaged over `tables`, leaving alone.

    Candidates are the detector's own threshold and the midpoints between neighbouring scores; of
    equals the nearest to the detector's.
    """
    columns = [(table.logits[:, 0], table.labels) for table in tables]
    return best_cut(columns, tables[0].threshold)[0]


def best_cut(columns: Sequence[tuple[Logits, Labels]], own: float) -> tuple[float, float]:
    """Returns the best threshold for scores, and the balanced accuracy that it reaches.

    Args:
        columns: Scores (n,) and labels (n,) of several sets of faces, each of which counts alike.
        own: The threshold to stay near to.
    """
    scores = np.unique(np.concatenate([logits for logits, _ in columns]))
    middles = (scores[1:] + scores[:-1]) / 2
    candidates = np.r_[np.float32(own), middles].astype(np.float32)
    gains = np.mean([_balanced_at(candidates, *column) for column in columns], axis=0)
    best = candidates[gains >= gains.max() - 1e-12]
    return float(best[np.abs(best - np.float32(own)).argmin()]), float(gains.max())


def balanced(fake: NDArray[np.bool_], labels: Labels) -> Floats:
    """Balanced accuracy of each column of verdicts (N, K); of a class without faces, nothing."""
    rates = [
        (fake[labels == label] == bool(label)).mean(axis=0)
        for label in (0, 1)
        if (labels == label).any()
    ]
    found: Floats = np.mean(rates, axis=0)
    return found


def _balanced_at(thresholds: Logits, logits: Logits, labels: Labels) -> Floats:
    """Balanced accuracy at each threshold, through sorted scores instead of N x K verdicts."""
    rates = []
    for label in (0, 1):
        scores = np.sort(logits[labels == label])
        if len(scores):
            below = np.searchsorted(scores, thresholds, side="right") / len(scores)
            rates.append(1.0 - below if label else below)
    found: Floats = np.mean(rates, axis=0)
    return found
