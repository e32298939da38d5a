"""The agent that finds the degradations under which a detector fails.

It learns as the defence's agent does, with the opposite reward: +1 where the detector is wrong. It
observes a face's state, not its label.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from demagnify.agents.learners.full_information import FullInformation
from demagnify.agents.policies import Policy
from demagnify.agents.states import StateEncoder
from demagnify.agents.states import create as create_state
from demagnify.core import progress
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import Detector
from demagnify.hardening.attack_pool import AttackPool, Integers
from demagnify.hardening.config import HardeningConfig
from demagnify.scores import LogitTable


@dataclass(frozen=True)
class Adversary:
    """A trained adversary."""

    policy: Policy  # maps states to the number of a degradation; 0 is the identity
    encoder: StateEncoder  # computes the states that it observes

    @classmethod
    def train(
        cls,
        faces: FaceDataset,
        detector: Detector,
        config: HardeningConfig,
        pool: AttackPool,
        *,
        round_: int,
        folder: Path,
    ) -> Adversary:
        """Trains an adversary against a detector."""
        actions = pool.seeded(seed=config.seed, round_=round_)
        table = LogitTable(faces, detector, actions)
        table.fill(folder / "logits.safetensors")
        encoder = create_state(config.state).bind(detector)
        reward = config.learner.reward.model_copy(update={"adversarial": True})
        learner = config.learner.model_copy(update={"reward": reward})
        trained = FullInformation(learner).fit(
            table, encoder, seed=config.seed, checkpoint=folder / "agent.safetensors"
        )
        return cls(trained.policy, encoder)

    def choose(self, faces: FaceDataset) -> Integers:
        """Returns the number of the agent's choice for each face, int64 (N,)."""
        chosen = np.empty(len(faces), dtype=np.int64)
        with progress.bar("choosing degradations", len(faces)) as advance, torch.inference_mode():
            for indices, images in faces.batches(64):
                chosen[indices] = self.policy(self.encoder(images)).cpu().numpy()
                advance(len(indices))
        return chosen


@dataclass(frozen=True)
class Mixture:
    """The degradations of training faces in a round; a `TrainingTransform` of detectors.

    A share stays clean, a share gets a random degradation, the rest the agent's choice.
    """

    chosen: Integers  # int64 (N,), the agent's choice for each training face
    config: HardeningConfig
    pool: AttackPool  # what there is to choose from
    round_: int

    def __call__(self, images: torch.Tensor, indices: Integers, *, epoch: int) -> torch.Tensor:
        """Returns the degraded faces of a batch."""
        return self.pool.degrade(
            images,
            self.numbers(epoch)[indices],
            indices,
            seed=self.config.seed,
            epoch=self.round_ * self.config.training.epochs + epoch,
        )

    def identity(self) -> dict[str, Any]:
        """Returns everything on which the mixture depends."""
        return {
            "agent": hashlib.sha256(self.chosen.astype("<i8").tobytes()).hexdigest(),
            "clean": self.config.clean,
            "explore": self.config.explore,
            "degradations": list(self.pool.names),
            "seed": self.config.seed,
            "round": self.round_,
        }

    def numbers(self, epoch: int) -> Integers:
        """Returns the number of each training face's degradation in an epoch, int64 (N,)."""
        rng = generator(self.config.seed, "hardening", self.round_, epoch)
        count = len(self.chosen)
        clean, explored = rng.random(count), rng.random(count)
        random = self.pool.draw(rng, count)
        numbers = np.where(explored < self.config.explore, random, self.chosen)
        return np.where(clean < self.config.clean, 0, numbers)
