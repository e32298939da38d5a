"""Baselines that are fitted on the selection split without a neural network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from demagnify.agents.predictors import Predictions, Predictor
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.detectors.threshold import choose_threshold
from demagnify.evaluation.baselines.pool import Pool
from demagnify.evaluation.baselines.simple import passes_for_all
from demagnify.scores import Floats, LogitTable

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """The action and the threshold of one branch; a logit above the threshold means fake."""

    action: int
    threshold: float


class Router(Predictor):
    """A probe of the spectrum finds attacked faces; each branch has an action and a threshold.

    Scores are moved so that both branches share the detector's threshold.

    Args:
        probe: States to 1 (attacked) or 0.
        encoder: The state that the probe reads.
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
        """Trains the probe on clean and attacked faces, and chooses for each the best branch."""
        probe = _logistic_regression()
        probe.fit(_states(pool.table, encoder), pool.attacked)
        clean, attacked = (_branch(pool, rows) for rows in (~pool.attacked, pool.attacked))
        return cls(probe, encoder, (clean, attacked))

    def predict(self, table: LogitTable) -> Predictions:
        """Routes and classifies every face of `table`."""
        attacked = self.probe.predict(_states(table, self.encoder)).astype(np.int64)
        actions = np.array([branch.action for branch in self.branches])[attacked]
        cuts = np.array([branch.threshold for branch in self.branches], dtype=np.float32)[attacked]
        logits = table.logits[np.arange(len(actions)), actions] - cuts
        calls = np.ones_like(actions)
        return Predictions(logits=logits, actions=actions, threshold=0.0, calls=calls)


def _states(table: LogitTable, encoder: StateEncoder) -> Floats:
    found: Floats = FaceStates(table, encoder, torch.device("cpu")).all().numpy()
    return found


def _branch(pool: Pool, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Branch:
    """Returns the best action with its best threshold on some faces; of equals the first."""
    labels, own = pool.table.labels[rows], pool.table.threshold
    logits = pool.table.logits[rows].T
    found = [choose_threshold((labels, column), near=own) for column in logits]
    action = int(np.argmax([one.balanced_accuracy for one in found]))
    return Branch(action, found[action].threshold)


class Stacking(Predictor):
    """A linear classifier of all logits of a face (Wolpert 1992)."""

    name = "stacking"

    def __init__(self, model: Pipeline) -> None:
        self.model = model

    @classmethod
    def fit(cls, pool: Pool) -> Stacking:
        """Fits the weights; both classes count alike."""
        return cls(_logistic_regression().fit(pool.table.logits, pool.table.labels))

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` by all its logits."""
        logits = self.model.decision_function(table.logits).astype(np.float32)
        return Predictions(logits=logits, actions=None, threshold=0.0, calls=passes_for_all(table))


MOST: Final = 5
"""At most so many probabilities are averaged."""
_ENDS: Final = 1e-6
_TEMPERATURES: Final = np.exp(np.linspace(-3.0, 3.0, 61))

Chances = NDArray[np.float64]


class GreedySearch(Predictor):
    """Averages the probability of a fake after a few actions, the same for every face.

    An action may be averaged more than once.
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

    def predict(self, table: LogitTable) -> Predictions:
        """Classifies every face of `table` by the mean probability after the chosen actions."""
        mean = _chances(table)[:, list(self.actions)].mean(axis=1)
        passes = set(
            np.where(table.transforms.identity[list(self.actions)], 0, self.actions).tolist()
        )
        return Predictions(
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
    chances: Chances = expit(table.logits.astype(np.float64) - table.threshold)
    return chances


def _logit(chances: Chances) -> Chances:
    logits: Chances = logit(np.clip(chances, _ENDS, 1.0 - _ENDS))
    return logits


def _logistic_regression() -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    )
