"""Baselines and controls with the agent's network, trained on something else."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import torch

from demagnify.agents.learners import (
    CostSensitive,
    CostSensitiveConfig,
    FullInformation,
    FullInformationConfig,
    TopK,
    TopKConfig,
)
from demagnify.agents.policies import GreedyQPolicy
from demagnify.agents.predictors import PolicyPredictor, Predictions, Predictor
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.agents.states import create as create_state
from demagnify.core import rng as randomness
from demagnify.evaluation.baselines.pool import Pool
from demagnify.scores import LogitTable
from demagnify.transforms import TransformSet
from demagnify.transforms.base import Identity
from demagnify.transforms.geometry import Flip

K: Final = 3
_SHORT: Final = {"epochs": 40, "patience": 6}


class DirectDetector(Predictor):
    """The agent's network trained as a classifier of real and fake: no detector, no action.

    Args:
        policy: Whose first action stands for real and whose second for fake.
        encoder: Its state.
    """

    name = "agent's network as detector"

    def __init__(self, policy: GreedyQPolicy, encoder: StateEncoder) -> None:
        self.policy = policy
        self.encoder = encoder

    @classmethod
    def fit(cls, pool: Pool, encoder: StateEncoder, seed: int) -> DirectDetector:
        """Trains it on the faces' states and labels.

        The logistic loss comes from a table in which the first action always ends in the verdict
        real and the second in fake.
        """
        verdicts = LogitTable(
            pool.table.faces, pool.table.detector, TransformSet([Identity(), Flip()])
        )
        verdicts.logits[:] = verdicts.threshold + np.array([-1.0, 1.0], dtype=np.float32)
        learner = CostSensitive(CostSensitiveConfig(**_SHORT))
        policy = cast("GreedyQPolicy", learner.fit(verdicts, encoder, seed=seed).policy)
        return cls(policy, encoder)

    @torch.no_grad()
    def predict(self, table: LogitTable, states: torch.Tensor | None = None) -> Predictions:  # noqa: ARG002
        """Classifies every face of `table` by its state alone."""
        weights = next(self.policy.parameters())
        seen = FaceStates(table, self.encoder, weights.device).all()
        values = self.policy.network(seen)
        logits = (values[:, 1] - values[:, 0]).float().cpu().numpy()
        passes = int(self.encoder.needs != "nothing")
        calls = np.full(len(logits), passes, dtype=np.int64)
        return Predictions(logits=logits, actions=None, threshold=0.0, calls=calls)


def best_of_logit(pool: Pool, seed: int) -> Predictor:
    """Trains an agent whose state is the detector's logit of the unchanged face.

    The control p(1 - p): the gain from the detector's certainty alone, without the image.
    """
    state = create_state("logit").bind(pool.table.detector)
    return _agent(pool.table, state, seed, "sees only the logit")


def shuffled_reward(pool: Pool, encoder: StateEncoder, seed: int) -> Predictor:
    """Trains an agent whose rewards belong to other faces, so that the state cannot help it."""
    order = randomness.generator(seed, "shuffled-reward").permutation(len(pool.table.labels))
    return _agent(pool.rewarded_as(order), encoder, seed, "shuffled rewards")


def top_k(pool: Pool, encoder: StateEncoder, seed: int) -> Predictor:
    """Trains the top-k average of Nadimpalli & Rattani (CVPRW 2022), k = 3 or all there are."""
    k = min(K, len(pool.table.transforms))
    policy = TopK(TopKConfig(k=k, **_SHORT)).fit(pool.table, encoder, seed=seed).policy
    return PolicyPredictor(policy, encoder, name="top-k average")


def _agent(table: LogitTable, encoder: StateEncoder, seed: int, name: str) -> Predictor:
    learner = FullInformation(FullInformationConfig(**_SHORT))
    return PolicyPredictor(learner.fit(table, encoder, seed=seed).policy, encoder, name=name)
