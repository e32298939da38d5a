"""The defence as a Gymnasium environment, one episode at a time or many side by side.

`reset` shows a face. `step` applies an action and runs the detector on the result; the reward is
+1 for a right verdict and -1 for a wrong one. By default an episode is one step, as in the paper,
so the discount factor multiplies nothing. With `max_steps` above 1, actions compose until the
agent chooses the identity or has acted `max_steps` times; the reward comes with the verdict, at
the end. This limit is part of the task, so it terminates an episode and never truncates it: a
learner must not bootstrap beyond it.

The environments are made directly and carry no Gymnasium id: Gymnasium copies the arguments of a
registered environment into its spec, which here are the photographs and the detector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.scores import Floats, Integers, LogitTable

Bools = NDArray[np.bool_]
Info = dict[str, Any]

_ONLY: Final = np.zeros(1, dtype=np.int64)
STOP: Final = 0
"""The identity ends an episode of several steps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a step in n episodes.

    Attributes:
        rewards: float32 (n,).
        ended: bool (n,), whether the episode ended with a verdict.
        logits: float32 (n,), the detector's logits; NaN where the episode goes on.
        abstained: bool (n,), where the agent abstained; None if it never does.
    """

    rewards: NDArray[np.float32]
    ended: NDArray[np.bool_]
    logits: NDArray[np.float32]
    abstained: NDArray[np.bool_] | None = None


class Episodes(ABC):
    """Episodes side by side, in slots: the part that environments and learners share.

    Args:
        table: Faces, actions and the detector's logits.
        slots: The number of episodes.
        reward: The reward of the verdict.
        clean: bool (N,), which faces are clean; None means all.

    Attributes:
        faces: int64 (slots,), the number of the face in each slot.
        observation_space: The space of an observation.
        action_space: The space of an action.
    """

    observation_space: spaces.Space[Floats]
    action_space: spaces.Discrete[Any]

    def __init__(
        self,
        table: LogitTable,
        slots: int,
        *,
        reward: RewardConfig | None = None,
        clean: Bools | None = None,
    ) -> None:
        self.table = table
        self.faces: Integers = np.zeros(slots, dtype=np.int64)
        self._reward = reward or RewardConfig()
        self._clean = clean

    def begin(self, slots: Integers, faces: Integers) -> None:
        """Starts new episodes in `slots` with the faces of these numbers."""
        self.faces[slots] = faces

    @abstractmethod
    def observe(self, slots: Integers) -> torch.Tensor:
        """Returns the observations in `slots` before the next action, float32 (n, S)."""

    @abstractmethod
    def step(self, slots: Integers, actions: Integers) -> Outcome:
        """Applies n actions in n `slots` whose episodes have not ended."""

    def observe_after(self, slots: Integers, actions: Integers) -> torch.Tensor:  # noqa: ARG002
        """Returns the observations after `step` with the same arguments, float32 (n, S)."""
        return self.observe(slots)

    def earned(self, slots: Integers, logits: Floats) -> Floats:
        """Returns the rewards of the verdicts `logits` in `slots`, float32 (n,)."""
        return self._reward.of_faces(self.table, self.faces[slots], logits, self._clean)


class CorrectionEpisodes(Episodes):
    """Episodes in which the agent corrects the image, then the detector classifies it.

    With `max_steps` 1, the paper's setting, every episode is one action and one verdict, and a
    logit table serves it without touching a pixel. With more, actions compose on the image until
    the agent chooses the identity or has acted `max_steps` times; only then the detector runs.

    Args:
        table: Faces, actions and the detector's logits.
        encoder: Computes the states.
        slots: The number of episodes.
        max_steps: The most actions before the verdict.
        device: The device of the states.
        rewards: "reward" and "clean"; see `Episodes`.
    """

    def __init__(
        self,
        table: LogitTable,
        encoder: StateEncoder,
        slots: int,
        *,
        max_steps: int = 1,
        device: torch.device | None = None,
        **rewards: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(table, slots, **rewards)
        self.max_steps = max_steps
        self.device = device or torch.device("cpu")
        self.face_states = FaceStates(table, encoder, self.device)
        self.encoder = self.face_states.encoder
        bounds = self.encoder.low, self.encoder.high
        box = spaces.Box(*bounds, shape=(self.face_states.size,), dtype=np.float32)
        self.observation_space = cast("spaces.Space[Floats]", box)
        self.action_space = spaces.Discrete(len(table.transforms))
        self._steps: Integers = np.zeros(slots, dtype=np.int64)
        side = table.faces.size
        self._images = torch.zeros(
            (slots if max_steps > 1 else 0, 3, side, side), dtype=torch.uint8
        )

    def begin(self, slots: Integers, faces: Integers) -> None:
        """See `Episodes.begin`."""
        super().begin(slots, faces)
        self._steps[slots] = 0
        if self.max_steps > 1:
            self._images[torch.from_numpy(slots)] = self.table.faces.batch(faces)

    def observe(self, slots: Integers) -> torch.Tensor:
        """See `Episodes.observe`."""
        if self.max_steps == 1:
            return self.face_states(self.faces[slots])
        return self.encoder(self._images[torch.from_numpy(slots)].to(self.device))

    def step(self, slots: Integers, actions: Integers) -> Outcome:
        """See `Episodes.step`."""
        if self.max_steps == 1:
            logits = self.table.lookup(self.faces[slots], actions)
            return Outcome(self.earned(slots, logits), np.ones(len(slots), dtype=np.bool_), logits)
        self._steps[slots] += 1
        ended = (actions == STOP) | (self._steps[slots] >= self.max_steps)
        where = torch.from_numpy(slots)
        images = self.table.transforms.apply(self._images[where], torch.from_numpy(actions))
        self._images[where] = images
        logits = np.full(len(slots), np.nan, dtype=np.float32)
        rewards = np.zeros(len(slots), dtype=np.float32)
        if ended.any():
            logits[ended] = self.table.logits_of(images[torch.from_numpy(ended)])
            rewards[ended] = self.earned(slots[ended], logits[ended])
        return Outcome(rewards, ended, logits)

    def observe_after(self, slots: Integers, actions: Integers) -> torch.Tensor:
        """See `Episodes.observe_after`; the states are those of the corrected images."""
        if self.max_steps > 1:
            return self.observe(slots)
        images = self.table.faces.batch(self.faces[slots])
        corrected = self.table.transforms.apply(images, torch.from_numpy(actions))
        return self.encoder(corrected.to(self.device))


class EpisodeEnv(gymnasium.Env[Floats, np.int64]):
    """One face at a time.

    `reset` takes the option "face", the number of the face to show. Every info holds "face"; the
    last one of an episode holds the detector's "logit" too, and "abstained" where agents may.

    Args:
        episodes: The rules, with one slot.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, episodes: Episodes) -> None:
        self._episodes = episodes
        self.observation_space = episodes.observation_space
        self.action_space = episodes.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Info]:
        """Shows a face, picked at random unless `options` names its number as "face"."""
        super().reset(seed=seed)
        face = (options or {}).get("face")
        if face is None:
            face = self.np_random.integers(len(self._episodes.table.faces))
        self._episodes.begin(_ONLY, np.array([face], dtype=np.int64))
        return self._episodes.observe(_ONLY).numpy()[0], {"face": int(face)}

    def step(self, action: np.int64) -> tuple[Floats, float, bool, bool, Info]:
        """Returns the next observation, the reward, whether it ended, False, and info."""
        actions = np.array([action], dtype=np.int64)
        outcome = self._episodes.step(_ONLY, actions)
        observation = self._episodes.observe_after(_ONLY, actions).numpy()[0]
        ended = bool(outcome.ended[0])
        info: Info = {"face": int(self._episodes.faces[0])}
        if ended:
            info["logit"] = float(outcome.logits[0])
            if outcome.abstained is not None:
                info["abstained"] = bool(outcome.abstained[0])
        return observation, float(outcome.rewards[0]), ended, False, info


class DefenseEnv(EpisodeEnv):
    """One face at a time, which the agent corrects; see `EpisodeEnv`.

    Args:
        table: Faces, actions and the detector's logits: a `LogitTable`, or `LiveLogits`.
        encoder: Computes the states.
        max_steps: The most actions before the verdict.
    """

    def __init__(self, table: LogitTable, encoder: StateEncoder, *, max_steps: int = 1) -> None:
        super().__init__(CorrectionEpisodes(table, encoder, 1, max_steps=max_steps))


class DefenseVectorEnv(gymnasium.vector.VectorEnv[Floats, Integers, NDArray[Any]]):
    """Many faces side by side: one step is one batched call of the detector.

    An episode that ends is followed by the next one within the same step (Gymnasium's SAME_STEP):
    the observation is the next face, and `infos["final_obs"]` holds the corrected image's state.
    With the same seed, the i-th environment shows the faces of a `DefenseEnv` seeded with
    `seed + i`.

    Args:
        table: Faces, actions and the detector's logits: a `LogitTable`, or `LiveLogits`.
        encoder: Computes the states.
        num_envs: The number of environments.
        max_steps: The most actions before the verdict.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self, table: LogitTable, encoder: StateEncoder, *, num_envs: int, max_steps: int = 1
    ) -> None:
        self.num_envs = num_envs
        self._episodes = CorrectionEpisodes(table, encoder, num_envs, max_steps=max_steps)
        self.single_observation_space = self._episodes.observation_space
        self.single_action_space = self._episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._all: Integers = np.arange(num_envs, dtype=np.int64)
        self._rngs = [seeding.np_random()[0] for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Floats, Info]:
        """Shows a random face in every environment; of one seed the i-th gets `seed + i`."""
        if seed is not None:
            seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
            for index, one in enumerate(seeds):
                if one is not None:
                    self._rngs[index] = seeding.np_random(one)[0]
        self._begin(self._all)
        return self._observe(), self._infos(np.ones(self.num_envs, dtype=np.bool_))

    def step(self, actions: Integers) -> tuple[Floats, NDArray[Any], Bools, Bools, Info]:
        """Applies an action in every environment, and begins new episodes where one ended."""
        actions = np.asarray(actions, dtype=np.int64)
        outcome = self._episodes.step(self._all, actions)
        ended = outcome.ended
        infos: Info = {}
        if ended.any():
            infos = self._final_infos(actions, outcome.logits, ended)
            self._begin(self._all[ended])
        infos |= self._infos(np.ones(self.num_envs, dtype=np.bool_))
        truncated = np.zeros(self.num_envs, dtype=np.bool_)
        return self._observe(), outcome.rewards.astype(np.float64), ended, truncated, infos

    def _begin(self, slots: Integers) -> None:
        count = len(self._episodes.table.faces)
        faces = [self._rngs[slot].integers(count) for slot in slots]
        self._episodes.begin(slots, np.array(faces, dtype=np.int64))

    def _observe(self) -> Floats:
        return cast("Floats", self._episodes.observe(self._all).numpy())

    def _infos(self, shown: Bools) -> Info:
        return {"face": self._episodes.faces.copy(), "_face": shown}

    def _final_infos(self, actions: Integers, logits: Floats, ended: Bools) -> Info:
        slots = self._all[ended]
        observations = np.full(self.num_envs, None, dtype=object)
        states = self._episodes.observe_after(slots, actions[ended]).numpy()
        for slot, state in zip(slots, states, strict=True):
            observations[slot] = state
        last = {**self._infos(ended), "logit": logits.astype(np.float64), "_logit": ended}
        return {
            "final_obs": observations,
            "_final_obs": ended,
            "final_info": last,
            "_final_info": ended,
        }
