"""The sequential agent: it takes views, stops or abstains, and each view costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field

from demagnify.agents.environment import EpisodeEnv, Episodes, Outcome
from demagnify.agents.learners.base import (
    LEARNERS,
    CurvePoint,
    LearnerConfig,
    TableLearner,
    TrainingData,
)
from demagnify.agents.policies.sequential import SequentialPolicy, Views
from demagnify.agents.q_network import HIDDEN, QNetwork
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.core.extras import need
from demagnify.scores import Floats, Integers, LogitTable

Bools = NDArray[np.bool_]


class SequentialConfig(LearnerConfig):
    """One view after the other, trained with Stable-Baselines3's PPO."""

    name: Literal["sequential"] = Field(default="sequential", description="The learner")
    most: int = Field(default=3, ge=1, description="The most views of an image")
    cost: float = Field(default=0.02, ge=0, description="Cost of a view, in rewards")
    abstain: float | None = Field(
        default=None,
        description="Reward of abstaining: with the reward verdict, 0 favours it where a verdict "
        "would be right at most half of the time; null forbids it",
    )
    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    steps: int = Field(default=200_000, ge=1, description="Choices in all, rounded up to rollouts")
    environments: int = Field(default=256, ge=1, description="Faces side by side")
    rollout: int = Field(default=8, ge=1, description="Choices per face between updates")
    batch_size: int = Field(default=512, ge=2, description="Choices per gradient step")
    epochs: int = Field(default=4, ge=1, description="Passes over each rollout")
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's, falling to zero")
    entropy: float = Field(
        default=0.01, ge=0, description="Weight of the entropy, in rewards per nat"
    )


class ViewEpisodes(Episodes):
    """Episodes in which the agent takes views of a face, until it stops or abstains.

    Rules and observations are those of `Views`. Each view costs `config.cost`; the end earns the
    reward of the mean logit, or that of abstaining. The table must be filled; `states`, float32
    (N, S), are those of its faces.
    """

    def __init__(
        self,
        table: LogitTable,
        states: torch.Tensor,
        config: SequentialConfig,
        slots: int,
        *,
        clean: Bools | None = None,
    ) -> None:
        super().__init__(table, slots, reward=config.reward, clean=clean)
        actions = len(table.transforms)
        self.config = config
        self.views = Views(slots, actions, config.most)
        self._states = states.cpu()
        box = spaces.Box(-np.inf, np.inf, (self._states.shape[1] + 2 * actions,), np.float32)
        self.observation_space = cast("spaces.Space[Floats]", box)
        self.action_space = spaces.Discrete(actions + 1 + (config.abstain is not None))

    def begin(self, slots: Integers, faces: Integers) -> None:
        """See `Episodes.begin`."""
        super().begin(slots, faces)
        self.views.begin(torch.from_numpy(slots))

    def observe(self, slots: Integers) -> torch.Tensor:
        """See `Episodes.observe`: the state, and twice as many numbers as actions."""
        states = self._states[torch.from_numpy(self.faces[slots])]
        return self.views.observe(states, self.table.threshold, torch.from_numpy(slots))

    def step(self, slots: Integers, actions: Integers) -> Outcome:
        """See `Episodes.step`."""
        where = torch.from_numpy(slots)
        taken, over = self.views.choose(where, torch.from_numpy(actions), self._logits)
        ended: Bools = over.numpy()
        logits: Floats = self.views.logits.numpy()[slots]
        abstained: Bools = self.views.abstained.numpy()[slots]
        rewards = -np.float32(self.config.cost) * taken.numpy().astype(np.float32)
        if ended.any():
            earned = self.earned(slots[ended], logits[ended])
            if self.config.abstain is not None:
                earned = np.where(abstained[ended], np.float32(self.config.abstain), earned)
            rewards[ended] += earned
        return Outcome(rewards, ended, logits, abstained)

    def _logits(self, slots: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        faces = self.faces[slots.numpy()]
        return torch.from_numpy(self.table.lookup(faces, actions.numpy()))


class SequentialEnv(EpisodeEnv):
    """One face at a time, view by view, until the agent stops or abstains; see `EpisodeEnv`.

    Args:
        table: Faces and the detector's logits; `fill` is called first.
        encoder: Computes the states.
        config: Costs, limits and rewards.
    """

    def __init__(
        self, table: LogitTable, encoder: StateEncoder, config: SequentialConfig | None = None
    ) -> None:
        table.fill()
        states = FaceStates(table, encoder, torch.device("cpu")).all()
        super().__init__(ViewEpisodes(table, states, config or SequentialConfig(), 1))


@LEARNERS.register("sequential")
class Sequential(TableLearner[SequentialPolicy]):
    """Learns which view to take next, and when to stop, with PPO.

    A view is the image after one action; `SequentialEnv` has the observations and rewards. This
    is classification with costly features (Janisch et al., AAAI 2019); the features are the
    detector's logits. Stable-Baselines3 trains it (the extra `sb3`); the trained policy does not
    need it. Unlike the other table learners it must explore, as its next observation depends on
    its choice.
    """

    config_type = SequentialConfig
    config: SequentialConfig

    def blank(self, state_size: int, actions: int, seed: int) -> SequentialPolicy:
        """See `TableLearner.blank`."""
        abstains = self.config.abstain is not None
        network = QNetwork(
            state_size + 2 * actions,
            actions + 1 + abstains,
            hidden=self.config.hidden,
            standardize=True,
            seed=seed,
        )
        return SequentialPolicy(self.config.most, abstains, network)

    def learn(self, policy: SequentialPolicy, data: TrainingData) -> Sequence[CurvePoint]:
        """See `TableLearner.learn`.

        Raises:
            BadConfigError: If Stable-Baselines3 is not installed.
        """
        need("sb3", "stable_baselines3", what="the sequential learner needs")
        from demagnify.agents.learners import _ppo

        table, network = data.table, policy.network
        states = data.states()
        mean, deviation = states.moments()
        beside = torch.zeros(2 * len(table.transforms), device=mean.device)
        network.fit_scale(torch.cat([mean, beside]), torch.cat([deviation, beside + 1]))
        seen = (states.all() - mean) * network.scale[: len(mean)]
        episodes = ViewEpisodes(
            table, seen, self.config, self.config.environments, clean=data.clean
        )
        return _ppo.train(episodes, network, data.seed)
