"""The settings of the learners."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from demagnify.agents.learners.rewards import RewardConfig
from demagnify.agents.q_network import HIDDEN


class _Config(BaseModel):
    """What the settings of all learners have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: RewardConfig = Field(
        default=RewardConfig(), description="What an answer of the detector is worth"
    )


class QLearningConfig(_Config):
    """Q-learning; the defaults are the paper's."""

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


class NetworkConfig(_Config):
    """What the learners have in common that fit a network to every reward at once."""

    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    standardize: bool = Field(
        default=True, description="Shift and scale states by their moments on the training faces"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="AdamW's")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW's, times the learning rate")
    batch_size: int = Field(default=256, ge=1, description="Faces per update")
    epochs: int = Field(default=100, ge=1, description="The most passes over the faces")
    patience: int = Field(
        default=10,
        ge=1,
        description="Passes without a better value on held-out groups until it ends",
    )
    held_out: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the groups that only tell when to end"
    )
    balance: bool = Field(
        default=True, description="Let real and fake faces weigh the same, however many there are"
    )
    worst_case: float = Field(
        default=0.0,
        ge=0,
        description="How fast weight moves to the conditions (clean, each attack) in which the "
        "policy falls shortest of the best fixed action; 0 keeps all alike",
    )


class FullInformationConfig(NetworkConfig):
    """Regression of the rewards of all actions."""

    name: Literal["full-information"] = Field(
        default="full-information", description="Which learner it is"
    )


class PolicyGradientConfig(NetworkConfig):
    """Exact policy gradient."""

    name: Literal["policy-gradient"] = Field(
        default="policy-gradient", description="Which learner it is"
    )
    entropy: float = Field(
        default=0.01, ge=0, description="What a nat of the policy's entropy is worth"
    )


class CostSensitiveConfig(NetworkConfig):
    """Cost-sensitive classification."""

    name: Literal["cost-sensitive"] = Field(
        default="cost-sensitive", description="Which learner it is"
    )


class TopKConfig(NetworkConfig):
    """The mean answer to the k best actions."""

    name: Literal["top-k"] = Field(default="top-k", description="Which learner it is")
    k: int = Field(default=3, ge=1, description="Actions whose answers are averaged")


class SequentialConfig(_Config):
    """One view after the other; trained with Stable-Baselines3's PPO."""

    name: Literal["sequential"] = Field(default="sequential", description="Which learner it is")
    most: int = Field(default=3, ge=1, description="Views that an image may cost")
    cost: float = Field(default=0.02, ge=0, description="What each view costs, in rewards")
    abstain: float | None = Field(
        default=None,
        description="What abstaining is paid: with the reward verdict, 0 makes it right where a "
        "verdict would be right at most half of the time; null forbids it",
    )
    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    steps: int = Field(default=200_000, ge=1, description="Choices in all, rounded up to rollouts")
    environments: int = Field(default=256, ge=1, description="Faces looked at side by side")
    rollout: int = Field(default=8, ge=1, description="Choices per face between updates")
    batch_size: int = Field(default=512, ge=2, description="Choices per gradient step")
    epochs: int = Field(default=4, ge=1, description="Passes over each rollout")
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's, falling to zero")
    entropy: float = Field(default=0.01, ge=0, description="What a nat of entropy is worth")


_DEFAULT: Final = "q-learning"


def _name(value: Any) -> str:  # noqa: ANN401
    name = value.get("name", _DEFAULT) if isinstance(value, dict) else getattr(value, "name", "")
    return str(name)


LearnerConfig = Annotated[
    Annotated[QLearningConfig, Tag("q-learning")]
    | Annotated[FullInformationConfig, Tag("full-information")]
    | Annotated[PolicyGradientConfig, Tag("policy-gradient")]
    | Annotated[CostSensitiveConfig, Tag("cost-sensitive")]
    | Annotated[TopKConfig, Tag("top-k")]
    | Annotated[SequentialConfig, Tag("sequential")],
    Discriminator(_name),
]
"""The settings of one learner, told apart by their name; without a name, Q-learning's."""
