"""Baselines that learn nothing, an upper bound, and choices by balanced accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.predictors import Predictions, Predictor
from demagnify.core import rng as randomness
from demagnify.evaluation.metrics import Floats
from demagnify.evaluation.results import UNDEFENDED
from demagnify.scores import Integers, LogitTable

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]


class FixedTransform(Predictor):
    """Applies one transform to every face; number 0, the identity, is the undefended detector."""

    def __init__(self, action: int, action_name: str) -> None:
        self.name = f"always {action_name}" if action else UNDEFENDED
        self._action = action

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` after the one transform."""
        return _after(table, np.full(len(table.labels), self._action))


class RandomAction(Predictor):
    """Draws every face's action at random; the same seed gives the same actions."""

    name = "random action"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` after a random action."""
        draw = randomness.generator(self._seed, "random-action")
        return _after(table, draw.integers(table.logits.shape[1], size=len(table.labels)))


class Oracle(Predictor):
    """Takes, knowing the label, the action after which the detector is most right: a bound."""

    name = "oracle"

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` after its best action; the first of equals."""
        towards_label = np.where(table.labels[:, None] == 1, table.logits, -table.logits)
        return _after(table, towards_label.argmax(axis=1))


class AverageActions(Predictor):
    """Averages the logits over all actions: test-time augmentation."""

    name = "average of actions"

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` by its mean logit."""
        logits = table.logits.mean(axis=1)
        return Predictions(
            logits=logits, actions=None, threshold=table.threshold, calls=passes_for_all(table)
        )


class MovedThreshold(Predictor):
    """Changes no face and moves only the detector's threshold."""

    name = "re-tuned threshold"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table`, unchanged, by the moved threshold."""
        left = np.zeros(len(table.labels), dtype=np.int64)
        return Predictions(
            logits=table.logits[:, 0],
            actions=left,
            threshold=self.threshold,
            calls=np.ones_like(left),
        )


class Constant(Predictor):
    """Gives every face the same verdict: 0 real, 1 fake."""

    name = "constant verdict"

    def __init__(self, label: int) -> None:
        self.label = label

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` alike."""
        count = len(table.labels)
        logits = np.full(count, 1.0 if self.label else -1.0, dtype=np.float32)
        calls = np.zeros(count, dtype=np.int64)
        return Predictions(logits=logits, actions=None, threshold=0.0, calls=calls)


def passes_for_all(table: LogitTable) -> Integers:
    """Returns the detector passes per face that all logits of a row take: (N,)."""
    identity = table.transforms.identity
    passes = int((~identity).sum()) + int(identity.any())
    return np.full(len(table.labels), passes, dtype=np.int64)


def _after(table: LogitTable, actions: Integers) -> Predictions:
    rows = np.arange(len(table.labels))
    return Predictions(
        logits=table.logits[rows, actions],
        actions=actions,
        threshold=table.threshold,
        calls=np.ones_like(actions),
    )


def choose_action(tables: Sequence[LogitTable]) -> int:
    """Returns the action with the best balanced accuracy, averaged over `tables`.

    Of equals the one with the smallest number, so that the identity wins a tie.
    """
    scores = [
        balanced(table.logits > np.float32(table.threshold), table.labels) for table in tables
    ]
    return int(np.mean(scores, axis=0).argmax())


def balanced(fake: NDArray[np.bool_], labels: Labels) -> Floats:
    """Balanced accuracy of each column of verdicts (N, K); of a class without faces, nothing."""
    rates = [
        (fake[labels == label] == bool(label)).mean(axis=0)
        for label in (0, 1)
        if (labels == label).any()
    ]
    found: Floats = np.mean(rates, axis=0)
    return found
