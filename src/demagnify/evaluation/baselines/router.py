"""Detect, then route: the simplest policy that looks at the image and is not learned by reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from demagnify.agents.judgement import Defense, Judgement
from demagnify.agents.state import FaceStates, StateEncoder
from demagnify.evaluation.baselines.choosing import best_cut
from demagnify.evaluation.baselines.pool import Pool
from demagnify.scores import Floats, LogitTable


@dataclass(frozen=True, slots=True)
class Branch:
    """What is done to the faces of one branch.

    Attributes:
        action: The number of the action.
        threshold: A logit above it means fake.
    """

    action: int
    threshold: float


class Router(Defense):
    """A probe of the spectrum tells attacked faces; each branch has an action and a threshold.

    Scores are moved so that both branches share the detector's threshold.

    Args:
        probe: States to 1 (attacked) or 0.
        encoder: What the probe sees.
        branches: For faces called clean, and called attacked.
    """

    name = "router"

    def __init__(
        self, probe: Pipeline, encoder: StateEncoder, branches: tuple[Branch, Branch]
    ) -> None:
        self.probe = probe
        self.encoder = encoder
        self.branches = branches

    @classmethod
    def fit(cls, pool: Pool, encoder: StateEncoder) -> Router:
        """Trains the probe on clean and attacked faces, and chooses for each the best branch.

        Args:
            pool: Clean and attacked faces.
            encoder: What the probe sees.
        """
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
        )
        probe.fit(_states(pool.table, encoder), pool.attacked)
        clean, attacked = (_branch(pool, rows) for rows in (~pool.attacked, pool.attacked))
        return cls(probe, encoder, (clean, attacked))

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Routes and judges every face of `table`."""
        attacked = self.probe.predict(_states(table, self.encoder)).astype(np.int64)
        actions = np.array([branch.action for branch in self.branches])[attacked]
        cuts = np.array([branch.threshold for branch in self.branches], dtype=np.float32)[attacked]
        logits = table.logits[np.arange(len(actions)), actions] - cuts
        calls = np.ones_like(actions)
        return Judgement(logits=logits, actions=actions, threshold=0.0, calls=calls)


def _states(table: LogitTable, encoder: StateEncoder) -> Floats:
    found: Floats = FaceStates(table, encoder, torch.device("cpu")).all().numpy()
    return found


def _branch(pool: Pool, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Branch:
    """Returns the best action with its best threshold on some faces; of equals the first."""
    labels, own = pool.table.labels[rows], pool.table.threshold
    found = [best_cut([(column, labels)], own) for column in pool.table.logits[rows].T]
    action = int(np.argmax([score for _, score in found]))
    return Branch(action, found[action][0])
