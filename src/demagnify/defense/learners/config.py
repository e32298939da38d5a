"""The settings of the learners."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from demagnify.defense.q_network import HIDDEN


class QLearningConfig(BaseModel):
    """Q-learning; the defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["q-learning"] = Field(default="q-learning", description="Which learner it is")
    episodes: int = Field(default=5000, ge=1, description="Episodes in all")
    environments: int = Field(
        default=1, ge=1, description="Episodes played side by side; one update for all of them"
    )
    max_steps: int = Field(
        default=1, ge=1, description="Actions until the verdict; with 1, gamma multiplies nothing"
    )
    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    standardize: bool = Field(
        default=False, description="Shift and scale states by their moments on the training faces"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's, at the first episode")
    gamma: float = Field(default=0.99, ge=0, le=1, description="Discount of later rewards")
    epsilon_start: float = Field(
        default=1.0, ge=0, le=1, description="Share of random actions at the first episode"
    )
    epsilon_end: float = Field(
        default=0.01, ge=0, le=1, description="The share of random actions never falls below"
    )
    epsilon_decay: float = Field(
        default=0.995, gt=0, le=1, description="What the share is multiplied by after an episode"
    )

    def epsilon(self, episode: int) -> float:
        """Returns the share of random actions in an episode; the first is number 0."""
        return max(self.epsilon_end, self.epsilon_start * self.epsilon_decay**episode)

    def rate(self, episode: int) -> float:
        """Returns the learning rate in an episode: half a cosine from the first to zero."""
        return self.learning_rate * (1.0 + math.cos(math.pi * episode / self.episodes)) / 2.0
