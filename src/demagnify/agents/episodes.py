"""Episodes played side by side: what the environments and the learners share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.state import FaceStates, StateEncoder
from demagnify.scores import RewardSource, rewards_of
from demagnify.transforms import TransformSet

Integers = NDArray[np.int64]

STOP: Final = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step brought to n episodes.

    Attributes:
        rewards: float32 (n,); +1 or -1 with the verdict that ends an episode, 0 before.
        ended: bool (n,), whether the verdict fell.
        logits: float32 (n,), the detector's answer; NaN where the episode goes on.
    """

    rewards: NDArray[np.float32]
    ended: NDArray[np.bool_]
    logits: NDArray[np.float32]


class Episodes:
    """A number of slots, each with one face in the course of being corrected.

    With `max_steps` 1, the paper's setting, every episode is one action and one verdict, so a
    reward table answers without touching a pixel. With more, actions compose on the image until
    the agent leaves it as it is or has acted `max_steps` times; only then does the detector judge.

    Args:
        source: Faces, actions and the detector's answers.
        encoder: What the agent sees.
        slots: How many episodes run side by side.
        max_steps: After how many actions the verdict falls at the latest.
        device: Where states are wanted.
    """

    def __init__(
        self,
        source: RewardSource,
        encoder: StateEncoder,
        slots: int,
        *,
        max_steps: int = 1,
        device: torch.device | None = None,
    ) -> None:
        self.source = source
        self.actions: TransformSet = source.actions
        self.encoder = encoder.bind(source.detector)
        self.max_steps = max_steps
        self.device = device or torch.device("cpu")
        self.faces: Integers = np.zeros(slots, dtype=np.int64)
        self.face_states = FaceStates(source, self.encoder, self.device)
        self._steps: Integers = np.zeros(slots, dtype=np.int64)
        side = source.faces.size
        self._images = torch.zeros(
            (slots if max_steps > 1 else 0, 3, side, side), dtype=torch.uint8
        )

    def begin(self, slots: Integers, faces: Integers) -> None:
        """Starts new episodes in `slots` with the faces of these numbers."""
        self.faces[slots] = faces
        self._steps[slots] = 0
        if self.max_steps > 1:
            self._images[torch.from_numpy(slots)] = self.source.faces.batch(faces)

    def states(self, slots: Integers) -> torch.Tensor:
        """Returns what the agent sees in `slots` before it acts, float32 (n, S)."""
        if self.max_steps == 1:
            return self.face_states(self.faces[slots])
        return self.encoder(self._images[torch.from_numpy(slots)].to(self.device))

    def step(self, slots: Integers, actions: Integers) -> Outcome:
        """Acts in `slots`.

        Args:
            slots: n numbers of slots whose episodes have not ended.
            actions: Their n actions.
        """
        labels = self.source.faces.labels[self.faces[slots]]
        if self.max_steps == 1:
            logits = self.source.lookup(self.faces[slots], actions)
            rewards = rewards_of(logits, labels, self.source.threshold)
            return Outcome(rewards, np.ones(len(slots), dtype=np.bool_), logits)
        self._steps[slots] += 1
        ended = (actions == STOP) | (self._steps[slots] >= self.max_steps)
        where = torch.from_numpy(slots)
        images = self.actions.apply(self._images[where], torch.from_numpy(actions))
        self._images[where] = images
        logits = np.full(len(slots), np.nan, dtype=np.float32)
        rewards = np.zeros(len(slots), dtype=np.float32)
        if ended.any():
            logits[ended] = self.source.judge(images[torch.from_numpy(ended)])
            rewards[ended] = rewards_of(logits[ended], labels[ended], self.source.threshold)
        return Outcome(rewards, ended, logits)

    def states_after(self, slots: Integers, actions: Integers) -> torch.Tensor:
        """Returns what the agent sees after `step` with the same arguments, float32 (n, S)."""
        if self.max_steps > 1:
            return self.states(slots)
        images = self.source.faces.batch(self.faces[slots])
        corrected = self.actions.apply(images, torch.from_numpy(actions))
        return self.encoder(corrected.to(self.device))
