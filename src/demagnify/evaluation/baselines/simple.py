"""Defences that learn nothing: what a learned one must beat, and a bound that it cannot."""

from __future__ import annotations

import numpy as np
import torch

from demagnify.agents.judgement import Defense, Judgement
from demagnify.core import rng as randomness
from demagnify.evaluation.result import UNDEFENDED
from demagnify.scores import Integers, LogitTable


class AlwaysAction(Defense):
    """Does the same to every face; action 0, "leave", is the undefended detector.

    Args:
        action: The action's number.
        action_name: The action's name.
    """

    def __init__(self, action: int, action_name: str) -> None:
        self.name = f"always {action_name}" if action else UNDEFENDED
        self._action = action

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` after the one action."""
        return _after(table, np.full(len(table.labels), self._action))


class RandomAction(Defense):
    """Draws every face's action at random.

    Args:
        seed: Same seed, same actions.
    """

    name = "random action"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` after a random action."""
        draw = randomness.generator(self._seed, "random-action")
        return _after(table, draw.integers(table.logits.shape[1], size=len(table.labels)))


class Oracle(Defense):
    """Takes, knowing the label, the action after which the detector is most right: a bound."""

    name = "oracle"

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` after its best action; the first of equals."""
        towards_label = np.where(table.labels[:, None] == 1, table.logits, -table.logits)
        return _after(table, towards_label.argmax(axis=1))


class AverageActions(Defense):
    """Averages the logits over all actions: test-time augmentation."""

    name = "average of actions"

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` by its mean logit."""
        logits = table.logits.mean(axis=1)
        return Judgement(
            logits=logits, actions=None, threshold=table.threshold, calls=asked_all(table)
        )


class MovedThreshold(Defense):
    """Leaves every face alone and moves only the detector's threshold.

    Args:
        threshold: The threshold to use.
    """

    name = "re-tuned threshold"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table`, unchanged, by the moved threshold."""
        left = np.zeros(len(table.labels), dtype=np.int64)
        return Judgement(
            logits=table.logits[:, 0],
            actions=left,
            threshold=self.threshold,
            calls=np.ones_like(left),
        )


class Constant(Defense):
    """Says the same of every face, whatever it looks like.

    Args:
        label: What it says: 0 real, 1 fake.
    """

    name = "constant verdict"

    def __init__(self, label: int) -> None:
        self.label = label

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` without looking."""
        count = len(table.labels)
        logits = np.full(count, 1.0 if self.label else -1.0, dtype=np.float32)
        calls = np.zeros(count, dtype=np.int64)
        return Judgement(logits=logits, actions=None, threshold=0.0, calls=calls)


def asked_all(table: LogitTable) -> Integers:
    """Returns how often the detector is asked about each face by who wants every answer: (N,)."""
    leaving = table.actions.leaving
    passes = int((~leaving).sum()) + int(leaving.any())
    return np.full(len(table.labels), passes, dtype=np.int64)


def _after(table: LogitTable, actions: Integers) -> Judgement:
    rows = np.arange(len(table.labels))
    return Judgement(
        logits=table.logits[rows, actions],
        actions=actions,
        threshold=table.threshold,
        calls=np.ones_like(actions),
    )
