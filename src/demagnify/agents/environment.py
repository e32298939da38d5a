"""The defence as a Gymnasium environment, one episode at a time or many side by side.

Reset shows a face; the agent acts; the detector judges what the agent made of it, and the reward
is +1 for a right verdict and -1 for a wrong one. By default an episode is one step, as in the
paper, so the discount factor multiplies nothing. With `max_steps` above 1 actions compose until
the agent leaves the image as it is or has acted `max_steps` times; the reward comes with the
verdict, at the end. The limit belongs to the task (the verdict falls and is paid), so it
terminates an episode and never truncates it: a learner must not bootstrap beyond it.

The environments are made directly and carry no Gymnasium id: Gymnasium copies the arguments of a
registered environment into its spec, which here are the photographs and the detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from demagnify.agents.episodes import Episodes
from demagnify.agents.state import StateEncoder
from demagnify.scores import RewardSource

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Info = dict[str, Any]

_ONLY = np.zeros(1, dtype=np.int64)


class DefenseEnv(gymnasium.Env[Floats, np.int64]):
    """One face at a time.

    Args:
        source: Faces, actions and the detector's answers: a `LogitTable`, or `LiveRewards`.
        encoder: What the agent sees.
        max_steps: After how many actions the verdict falls at the latest.

    Reset takes the option "face", the number of the face to show. Every info holds "face"; the
    last of an episode holds the detector's "logit" too.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012

    def __init__(self, source: RewardSource, encoder: StateEncoder, *, max_steps: int = 1) -> None:
        self.observation_space = _observations(source, encoder)
        self.action_space = spaces.Discrete(len(source.actions))
        self._count = len(source.faces)
        self._episodes = Episodes(source, encoder, 1, max_steps=max_steps)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, Info]:
        """Shows a face, picked at random unless `options` names its number as "face"."""
        super().reset(seed=seed)
        face = (options or {}).get("face")
        if face is None:
            face = self.np_random.integers(self._count)
        self._episodes.begin(_ONLY, np.array([face], dtype=np.int64))
        return self._episodes.states(_ONLY).numpy()[0], {"face": int(face)}

    def step(self, action: np.int64) -> tuple[Floats, float, bool, bool, Info]:
        """Acts; returns the corrected image's state, reward, whether it ended, False, info."""
        actions = np.array([action], dtype=np.int64)
        outcome = self._episodes.step(_ONLY, actions)
        state = self._episodes.states_after(_ONLY, actions).numpy()[0]
        ended = bool(outcome.ended[0])
        info: Info = {"face": int(self._episodes.faces[0])}
        if ended:
            info["logit"] = float(outcome.logits[0])
        return state, float(outcome.rewards[0]), ended, False, info


class DefenseVectorEnv(gymnasium.vector.VectorEnv[Floats, Integers, NDArray[Any]]):
    """Many faces side by side: one step is one batched call of the detector.

    Episodes that end begin anew within the same step (Gymnasium's SAME_STEP): the observation is
    already the next face, and the corrected image's state stands in `infos["final_obs"]`. With the
    same seed the i-th environment shows the faces of a `DefenseEnv` seeded with `seed + i`.

    Args:
        source: Faces, actions and the detector's answers: a `LogitTable`, or `LiveRewards`.
        encoder: What the agent sees.
        num_envs: How many episodes run side by side.
        max_steps: After how many actions the verdict falls at the latest.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self, source: RewardSource, encoder: StateEncoder, *, num_envs: int, max_steps: int = 1
    ) -> None:
        self.num_envs = num_envs
        self.single_observation_space = _observations(source, encoder)
        self.single_action_space = spaces.Discrete(len(source.actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._count = len(source.faces)
        self._all: Integers = np.arange(num_envs, dtype=np.int64)
        self._episodes = Episodes(source, encoder, num_envs, max_steps=max_steps)
        self._randoms = [seeding.np_random()[0] for _ in range(num_envs)]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Floats, Info]:
        """Shows a random face in every environment.

        Args:
            seed: One seed (the i-th environment gets `seed + i`), or one per environment.
            options: None are known.
        """
        if seed is not None:
            seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
            for index, one in enumerate(seeds):
                if one is not None:
                    self._randoms[index] = seeding.np_random(one)[0]
        self._begin(self._all)
        return self._observe(), self._infos(np.ones(self.num_envs, dtype=np.bool_))

    def step(self, actions: Integers) -> tuple[Floats, NDArray[Any], Bools, Bools, Info]:
        """Acts in every environment, and begins new episodes where a verdict fell."""
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
        faces = [self._randoms[slot].integers(self._count) for slot in slots]
        self._episodes.begin(slots, np.array(faces, dtype=np.int64))

    def _observe(self) -> Floats:
        return cast("Floats", self._episodes.states(self._all).numpy())

    def _infos(self, shown: Bools) -> Info:
        return {"face": self._episodes.faces.copy(), "_face": shown}

    def _final_infos(self, actions: Integers, logits: Floats, ended: Bools) -> Info:
        slots = self._all[ended]
        observations = np.full(self.num_envs, None, dtype=object)
        states = self._episodes.states_after(slots, actions[ended]).numpy()
        for slot, state in zip(slots, states, strict=True):
            observations[slot] = state
        last = {**self._infos(ended), "logit": logits.astype(np.float64), "_logit": ended}
        return {
            "final_obs": observations,
            "_final_obs": ended,
            "final_info": last,
            "_final_info": ended,
        }


def _observations(source: RewardSource, encoder: StateEncoder) -> spaces.Space[Floats]:
    size = encoder.size(source.faces.size)
    box = spaces.Box(encoder.low, encoder.high, shape=(size,), dtype=np.float32)
    return cast("spaces.Space[Floats]", box)
