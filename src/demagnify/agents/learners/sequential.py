"""The sequential agent: it takes views, stops or abstains, and each view costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field

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
from demagnify.core.errors import BadConfigError
from demagnify.scores import Floats, Integers, LogitTable

Bools = NDArray[np.bool_]
Info = dict[str, Any]

_ONLY: Final = np.zeros(1, dtype=np.int64)


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


class Inspections:
    """The sequential agent's game, for a number of faces (slots) side by side.

    Rules and observations are those of `Views`. Each view costs `config.cost`; the end earns the
    reward of the mean logit, or that of abstaining.

    Args:
        table: Faces and the detector's logits; filled.
        states: float32 (N, S), the state of each face.
        config: Costs, limits and rewards.
        slots: The number of faces side by side.
        clean: bool (N,), which faces are clean; None if unknown.
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
        self.config = config
        self.faces: Integers = np.zeros(slots, dtype=np.int64)
        self.views = Views(slots, len(table.transforms), config.most)
        self._table = table
        self._states = states.cpu()
        self._clean = np.ones(len(table.faces), dtype=np.bool_) if clean is None else clean

    @property
    def observations(self) -> spaces.Box:
        """The space of observations: the state, and twice as many numbers as actions."""
        size = self._states.shape[1] + 2 * len(self._table.transforms)
        return spaces.Box(-np.inf, np.inf, (size,), np.float32)

    @property
    def choices(self) -> spaces.Discrete[Any]:
        """The space of choices: the views, stop and, where it is allowed, abstain."""
        return spaces.Discrete(len(self._table.transforms) + 1 + (self.config.abstain is not None))

    def begin(self, slots: Integers, faces: Integers) -> None:
        """Puts the faces of these numbers into `slots`."""
        self.faces[slots] = faces
        self.views.begin(torch.from_numpy(slots))

    def observe(self, slots: Integers) -> Floats:
        """Returns the observations in `slots`, float32 (n, S + 2 A)."""
        states = self._states[torch.from_numpy(self.faces[slots])]
        seen = self.views.observe(states, self._table.threshold, torch.from_numpy(slots))
        observed: Floats = seen.numpy()
        return observed

    def step(self, slots: Integers, choices: Integers) -> tuple[Floats, Bools]:
        """Carries out the choices; returns rewards and where the end came, each (n,)."""
        taken, ended = self.views.choose(
            torch.from_numpy(slots), torch.from_numpy(choices), self._logits
        )
        over: Bools = ended.numpy()
        rewards = -np.float32(self.config.cost) * taken.numpy().astype(np.float32)
        if over.any():
            rewards[over] += self._earned(slots[over])
        return rewards, over

    def _logits(self, slots: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        faces = self.faces[slots.numpy()]
        return torch.from_numpy(self._table.lookup(faces, actions.numpy()))

    def _earned(self, slots: Integers) -> Floats:
        faces = self.faces[slots]
        compares = self.config.reward.compares
        earned = self.config.reward.of(
            self.views.logits.numpy()[slots],
            self._table.labels[faces],
            self._table.threshold,
            original=self._table.lookup(faces, np.zeros_like(faces)) if compares else None,
            clean=self._clean[faces],
        )
        if self.config.abstain is None:
            return earned
        return np.where(
            self.views.abstained.numpy()[slots], np.float32(self.config.abstain), earned
        )


class SequentialEnv(gymnasium.Env[Floats, np.int64]):
    """One face at a time, view by view, until the agent stops or abstains.

    Args:
        table: Faces and the detector's logits; `fill` is called first.
        encoder: Computes the states.
        config: Costs, limits and rewards.

    `reset` takes the option "face", the number of the face to show. Every info holds "face"; the
    last of an episode holds "logit", the mean of the views, and "abstained".
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self, table: LogitTable, encoder: StateEncoder, config: SequentialConfig | None = None
    ) -> None:
        table.fill()
        states = FaceStates(table, encoder, torch.device("cpu")).all()
        self._inspections = Inspections(table, states, config or SequentialConfig(), 1)
        self._count = len(table.faces)
        self.observation_space = cast("spaces.Space[Floats]", self._inspections.observations)
        self.action_space = self._inspections.choices

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Info]:
        """Shows a face, picked at random unless `options` names its number as "face"."""
        super().reset(seed=seed)
        face = (options or {}).get("face")
        if face is None:
            face = self.np_random.integers(self._count)
        self._inspections.begin(_ONLY, np.array([face], dtype=np.int64))
        return self._inspections.observe(_ONLY)[0], {"face": int(face)}

    def step(self, action: np.int64) -> tuple[Floats, float, bool, bool, Info]:
        """Returns the next observation, the reward, whether it ended, False, and info."""
        rewards, ended = self._inspections.step(_ONLY, np.array([action], dtype=np.int64))
        info: Info = {"face": int(self._inspections.faces[0])}
        if ended[0]:
            info["logit"] = float(self._inspections.views.logits[0])
            info["abstained"] = bool(self._inspections.views.abstained[0])
        return self._inspections.observe(_ONLY)[0], float(rewards[0]), bool(ended[0]), False, info


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
        try:
            from demagnify.agents.learners import _ppo
        except ModuleNotFoundError as error:
            raise BadConfigError(
                f"the sequential learner needs {error.name}, which is not installed",
                hint="pip install 'demagnify[sb3]'",
            ) from error
        table, network = data.table, policy.network
        states = FaceStates(table, data.encoder, table.device)
        mean, deviation = states.moments()
        beside = torch.zeros(2 * len(table.transforms), device=mean.device)
        network.fit_scale(torch.cat([mean, beside]), torch.cat([deviation, beside + 1]))
        seen = (states.all() - mean) * network.scale[: len(mean)]
        inspections = Inspections(
            table,
            seen,
            self.config,
            self.config.environments,
            clean=data.clean,
        )
        return _ppo.train(inspections, network, self.config, len(table.faces), data.seed)
