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

K: Final = 3
_SHORT: Final = {"epochs": 40, "patience": 6}


class DirectDetector(Predictor):
    """The agent's network trained as a classifier: output 0 is real, 1 is fake; no detector."""

    name = "agent's network as detector"

    def __init__(self, policy: GreedyQPolicy, encoder: StateEncoder) -> None:
        self.policy = policy
        self.encoder = encoder

    @classmethod
    def fit(cls, pool: Pool, encoder: StateEncoder, seed: int) -> DirectDetector:
        """Trains it on the faces' states: choosing the label earns +1, the other one -1.

        With two classes the cost-sensitive loss is the logistic loss.
        """
        right = pool.table.labels[:, None] == np.arange(2)
        rewards = np.where(right, np.float32(1.0), np.float32(-1.0))
        learner = CostSensitive(CostSensitiveConfig(**_SHORT))
        trained = learner.fit_rewards(pool.table, encoder, rewards, seed=seed)
        return cls(cast("GreedyQPolicy", trained.policy), encoder)

    @torch.no_grad()
    def predict(self, table: LogitTable) -> Predictions:
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
    learner = FullInformation(FullInformationConfig(**_SHORT))
    policy = learner.fit(pool.table, state, seed=seed).policy
    return PolicyPredictor(policy, state, name="sees only the logit")


def shuffled_reward(pool: Pool, encoder: StateEncoder, seed: int) -> Predictor:
    """Trains an agent whose rewards belong to other faces, so that the state cannot help it."""
    table = pool.table
    order = randomness.generator(seed, "shuffled-reward").permutation(len(table.labels))
    learner = FullInformation(FullInformationConfig(**_SHORT))
    rewards = learner.config.reward.of_table(table)[order]
    shuffled = table.with_faces(table.faces.relabelled(table.labels[order]), table.logits)
    trained = learner.fit_rewards(shuffled, encoder, rewards, seed=seed)
    return PolicyPredictor(trained.policy, encoder, name="shuffled rewards")


def top_k(pool: Pool, encoder: StateEncoder, seed: int) -> Predictor:
    """Trains the top-k average of Nadimpalli & Rattani (CVPRW 2022), k = 3 or all there are."""
    k = min(K, len(pool.table.transforms))
    policy = TopK(TopKConfig(k=k, **_SHORT)).fit(pool.table, encoder, seed=seed).policy
    return PolicyPredictor(policy, encoder, name="top-k average")
