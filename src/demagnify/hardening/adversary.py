"""The agent that looks for the degradations that a detector cannot stand.

It is the defence's agent with its reward turned round: paid where the verdict is wrong. It sees a
face's state, not its label, and learns from a reward table whose labels are exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.learners.full_information import FullInformation
from demagnify.agents.policy import Policy
from demagnify.agents.state import StateEncoder
from demagnify.agents.state import create as create_state
from demagnify.core import progress
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.detector import Detector
from demagnify.hardening.config import Hardening
from demagnify.hardening.opponents import Opponents
from demagnify.scores import LogitTable
from demagnify.transforms.corrections import Action, ActionSet, leave
from demagnify.transforms.degradations import Degradation
from demagnify.transforms.degradations.degrader import CLEAN, Degrader, Indices, content_indices


@dataclass(frozen=True)
class Degraded(Action):
    """A degradation as an action; what is drawn depends on the image's own pixels and the round.

    Attributes:
        kind: Its name.
        seed: Of the draws.
        round_: Another round draws other settings.
        degradation: What it does.
    """

    kind: str
    seed: int
    round_: int
    degradation: Degradation = field(repr=False, compare=False)

    @cached_property
    def _degrader(self) -> Degrader:
        return Degrader({self.kind: self.degradation}, seed=self.seed)

    @property
    def name(self) -> str:
        """The degradation's name."""
        return self.kind

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Degrades every image of the batch."""
        numbers = np.ones(len(images), dtype=np.int64)
        return self._degrader(images, numbers, content_indices(images), epoch=self.round_)


def degrading(kinds: Mapping[str, Degradation], *, seed: int, round_: int) -> ActionSet:
    """Returns the actions of the adversary: leaving, and each degradation."""
    degraded = [Degraded(name, seed, round_, kind) for name, kind in kinds.items()]
    return ActionSet([leave.Leave(), *degraded])


@dataclass(frozen=True)
class Adversary:
    """A trained adversary.

    Attributes:
        policy: Maps states to the number of a degradation; 0 leaves a face.
        encoder: What it sees.
    """

    policy: Policy
    encoder: StateEncoder

    @classmethod
    def train(
        cls,
        faces: FaceDataset,
        detector: Detector,
        config: Hardening,
        opponents: Opponents,
        *,
        round_: int,
        folder: Path,
    ) -> Adversary:
        """Trains an adversary against a detector; its answers are kept in `folder`.

        Args:
            faces: Faces to learn on.
            detector: Whom it looks for the weak spots of.
            config: The settings.
            opponents: What it may choose from.
            round_: Which turn it is.
            folder: Where the detector's answers and the agent are kept against kills.
        """
        exchanged = FaceDataset(faces.images, 1 - faces.labels, faces.groups, faces.names)
        actions = degrading(opponents.kinds, seed=config.seed, round_=round_)
        table = LogitTable(exchanged, detector, actions)
        table.fill(folder / "answers.safetensors")
        encoder = create_state(config.state).bind(detector)
        trained = FullInformation(config.learner).fit(
            table, encoder, seed=config.seed, checkpoint=folder / "agent.safetensors"
        )
        return cls(trained.policy, encoder)

    def choose(self, faces: FaceDataset) -> Indices:
        """Returns what the agent would do to each face, int64 (N,)."""
        chosen = np.empty(len(faces), dtype=np.int64)
        with progress.bar("choosing degradations", len(faces)) as advance, torch.inference_mode():
            for indices, images in faces.batches(64):
                chosen[indices] = self.policy(self.encoder(images)).cpu().numpy()
                advance(len(indices))
        return chosen


@dataclass(frozen=True)
class Mixture:
    """What happens to training faces in a round; see `demagnify.detectors.augment.Alteration`.

    A share stays clean, a share gets a random degradation, the rest what the agent chose.

    Attributes:
        chosen: int64 (N,), the agent's choice for each training face.
        config: The settings.
        opponents: What there is to choose from.
        round_: Which turn it is.
    """

    chosen: NDArray[np.int64]
    config: Hardening
    opponents: Opponents
    round_: int

    def __call__(self, images: torch.Tensor, indices: Indices, *, epoch: int) -> torch.Tensor:
        """Returns the faces as the detector shall meet them."""
        turn = self.round_ * self.config.detector.epochs + epoch
        return self._degrader(images, self._numbers(epoch)[indices], indices, epoch=turn)

    def identity(self) -> dict[str, Any]:
        """Returns what the mixture depends on."""
        return {
            "agent": hashlib.sha256(self.chosen.astype("<i8").tobytes()).hexdigest(),
            "clean": self.config.clean,
            "explore": self.config.explore,
            "kinds": list(self.opponents.names),
            "seed": self.config.seed,
            "round": self.round_,
        }

    @cached_property
    def _degrader(self) -> Degrader:
        return Degrader(self.opponents.kinds, seed=self.config.seed)

    def _numbers(self, epoch: int) -> Indices:
        dice = generator(self.config.seed, "hardening", self.round_, epoch)
        count = len(self.chosen)
        left, explored = dice.random(count), dice.random(count)
        random = self.opponents.draw(dice, count)
        numbers = np.where(explored < self.config.explore, random, self.chosen)
        return np.where(left < self.config.clean, CLEAN, numbers)
