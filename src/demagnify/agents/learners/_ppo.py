"""PPO of Stable-Baselines3 on the sequential agent's game; imported only where it is used."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from demagnify.agents.learners.base import CurvePoint
from demagnify.agents.learners.sequential import ViewEpisodes
from demagnify.agents.q_network import QNetwork, threads_for
from demagnify.core import progress
from demagnify.core.rng import derived_seed, generator
from demagnify.scores import Integers


def train(episodes: ViewEpisodes, network: QNetwork, seed: int) -> Sequence[CurvePoint]:
    """Trains PPO's actor and puts its weights into `network`; returns the learning curve.

    Args:
        episodes: The rules; their states are standardised already.
        network: Receives the weights; its shift and scale stay.
        seed: Seed of all random numbers.
    """
    config, envs = episodes.config, _Envs(episodes, seed)
    with _global_randomness_kept(), threads_for(network):
        model = PPO(
            "MlpPolicy",
            envs,
            learning_rate=lambda left: config.learning_rate * max(0.0, left),
            n_steps=config.rollout,
            batch_size=config.batch_size,
            n_epochs=config.epochs,
            gamma=1.0,
            ent_coef=config.entropy,
            policy_kwargs={
                "net_arch": {"pi": [config.hidden], "vf": [config.hidden]},
                "activation_fn": torch.nn.ReLU,
            },
            seed=derived_seed(seed, "ppo") % 2**31,
            device="cpu",
        )
        with progress.bar("training the agent", config.steps) as advance:
            curve = _Curve(envs, advance)
            model.learn(config.steps, callback=curve, log_interval=sys.maxsize)
    actor: Any = model.policy
    network.first.load_state_dict(actor.mlp_extractor.policy_net[0].state_dict())
    network.second.load_state_dict(actor.action_net.state_dict())
    return curve.history


class _Envs(VecEnv):
    """The slots of `ViewEpisodes` for Stable-Baselines3; ended ones start again at once."""

    def __init__(self, episodes: ViewEpisodes, seed: int) -> None:
        self._episodes = episodes
        self._rng = generator(seed, "sequential faces")
        self._all: Integers = np.arange(len(episodes.faces), dtype=np.int64)
        self._choices = self._all
        self.render_mode = None
        self.earned: list[float] = []
        self.taken = np.zeros(episodes.views.actions, dtype=np.int64)
        super().__init__(len(self._all), episodes.observation_space, episodes.action_space)

    def reset(self) -> NDArray[np.float32]:
        """Puts a new face into every slot."""
        self._begin(self._all)
        self._returns = np.zeros(self.num_envs)
        return self._observe(self._all)

    def step_async(self, actions: Integers) -> None:
        """Stores the choices."""
        self._choices = actions.astype(np.int64)

    def step_wait(self) -> VecEnvStepReturn:
        """Carries the choices out."""
        outcome = self._episodes.step(self._all, self._choices)
        self._returns += outcome.rewards
        infos: list[dict[str, Any]] = [{} for _ in self._all]
        over = self._all[outcome.ended]
        if len(over):
            for slot, observation in zip(over, self._observe(over), strict=True):
                infos[slot] = {"terminal_observation": observation, "TimeLimit.truncated": False}
            self.earned += self._returns[over].tolist()
            seen = self._episodes.views.seen[torch.from_numpy(over)]
            self.taken += (~seen.isnan()).sum(dim=0).numpy()
            self._returns[over] = 0.0
            self._begin(over)
        return self._observe(self._all), outcome.rewards, outcome.ended, infos

    def _begin(self, slots: Integers) -> None:
        count = len(self._episodes.table.faces)
        self._episodes.begin(slots, self._rng.integers(count, size=len(slots)))

    def _observe(self, slots: Integers) -> NDArray[np.float32]:
        observed: NDArray[np.float32] = self._episodes.observe(slots).numpy()
        return observed

    def close(self) -> None:
        """Does nothing: nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ANN401
        """Returns an attribute once per slot."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:  # noqa: ANN401, ARG002
        """Returns False for each slot."""
        return [False for _ in self._get_indices(indices)]

    def _refuse(self, *_given: Any, **_named: Any) -> Any:  # noqa: ANN401
        """Raises: the slots share everything."""
        raise NotImplementedError("the slots have no attributes and methods of their own")

    set_attr = env_method = _refuse


class _Curve(BaseCallback):
    """Shows progress and keeps the learning curve, a point per rollout."""

    model: PPO

    def __init__(self, envs: _Envs, advance: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.history: list[CurvePoint] = []
        self._envs = envs
        self._advance = advance
        self._episodes = 0

    def _on_step(self) -> bool:
        self._advance(self._envs.num_envs)
        return True

    def _on_rollout_start(self) -> None:
        self._point()

    def _on_training_end(self) -> None:
        self._point()

    def _point(self) -> None:
        """Adds a point for the latest rollout whose update is done, if there is one."""
        envs, figures = self._envs, self.model.logger.name_to_value
        if not envs.earned or "train/loss" not in figures:
            return
        self._episodes += len(envs.earned)
        self.history.append(
            CurvePoint(
                episode=self._episodes,
                reward=float(np.mean(envs.earned)),
                loss=float(figures["train/loss"]),
                epsilon=0.0,
                learning_rate=float(figures["train/learning_rate"]),
                actions=tuple((envs.taken / max(1, envs.taken.sum())).tolist()),
            )
        )
        envs.earned.clear()
        envs.taken[:] = 0


@contextmanager
def _global_randomness_kept() -> Iterator[None]:
    """Restores the global generators, which Stable-Baselines3 seeds."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
