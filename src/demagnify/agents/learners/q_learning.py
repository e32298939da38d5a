"""Q-learning: the paper's training procedure, and the same with many environments per update."""

from __future__ import annotations

import math
import time
from typing import Final, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from demagnify.agents.environment import CorrectionEpisodes
from demagnify.agents.learners.base import (
    LEARNERS,
    Checkpoint,
    CurvePoint,
    Learner,
    LearnerConfig,
    TrainedPolicy,
    TrainingData,
)
from demagnify.agents.policies.q_values import GreedyQPolicy
from demagnify.agents.q_network import HIDDEN, QNetwork
from demagnify.core import artifacts, progress
from demagnify.core.rng import generator
from demagnify.scores import Integers

SAVE_EVERY_SECONDS: Final = 20.0
POINT_EVERY: Final = 100
MOST_POINTS: Final = 200
_ADAM: Final = "adam."


class QLearningConfig(LearnerConfig):
    """Q-learning; the defaults are the paper's."""

    name: Literal["q-learning"] = Field(default="q-learning", description="The learner")
    episodes: int = Field(default=5000, ge=1, description="Episodes in all")
    environments: int = Field(
        default=1, ge=1, description="Episodes side by side; one update for all of them"
    )
    max_steps: int = Field(
        default=1,
        ge=1,
        description="The most actions before the verdict; with 1, gamma multiplies nothing",
    )
    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    standardize: bool = Field(
        default=False, description="Standardise states by their moments on the training faces"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="Adam's, at the first episode")
    gamma: float = Field(default=0.99, ge=0, le=1, description="Discount of later rewards")
    epsilon_start: float = Field(
        default=1.0, ge=0, le=1, description="Share of random actions at the first episode"
    )
    epsilon_end: float = Field(
        default=0.01, ge=0, le=1, description="Least share of random actions"
    )
    epsilon_decay: float = Field(
        default=0.995, gt=0, le=1, description="Factor of the share after each episode"
    )

    def epsilon(self, episode: int) -> float:
        """Returns the share of random actions in an episode; the first is number 0."""
        return max(self.epsilon_end, self.epsilon_start * self.epsilon_decay**episode)

    def rate(self, episode: int) -> float:
        """Returns the learning rate in an episode: half a cosine from the first to zero."""
        return self.learning_rate * (1.0 + math.cos(math.pi * episode / self.episodes)) / 2.0


@LEARNERS.register("q-learning")
class QLearning(Learner):
    """Regression of a Q-network on rewards, exploring epsilon-greedily.

    With one environment this is the paper's procedure: in every episode one random training face,
    one action (random with probability epsilon, which decays per episode), one verdict, one
    update. An episode ends with its verdict, so with `max_steps` 1 the target is the reward alone
    and gamma multiplies nothing; with more, the target bootstraps from the values of what the
    agent sees next. With more environments as many episodes share one update, each with its own
    face, coin and epsilon; epsilon and learning rate follow the number of the episode, so that
    the same number of episodes explores as much.
    """

    config_type = QLearningConfig
    config: QLearningConfig

    def train(self, data: TrainingData, checkpoint: Checkpoint) -> TrainedPolicy:
        """See `Learner.train`."""
        run = _Run(self.config, data)
        saved = checkpoint.load()
        if saved:
            run.done, run.history = saved.episode, saved.history
            run.update.restore(saved.tensors)
        if not run.done and self.config.standardize:
            run.update.network.fit_scale(*run.episodes.face_states.moments())
        self._play(run, checkpoint)
        network = run.update.network
        network.zero_grad()
        return TrainedPolicy(policy=GreedyQPolicy(network).eval(), history=run.history)

    def _play(self, run: _Run, checkpoint: Checkpoint) -> None:
        if run.done >= self.config.episodes:
            return
        saved = time.monotonic()
        with progress.bar("training the agent", self.config.episodes) as advance:
            advance(run.done)
            while run.done < self.config.episodes:
                advance(run.play_to_next_point())
                if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    checkpoint.save(run.update.tensors(), run.done, run.history)
                    saved = time.monotonic()
        # Nothing continues from here, so the optimiser is left out.
        checkpoint.save(run.update.network.state_dict(), run.done, run.history)


class _Run:
    """One training: what changes from episode to episode."""

    def __init__(self, config: QLearningConfig, data: TrainingData) -> None:
        table = data.table
        self.config = config
        self.seed = data.seed
        self.device = table.device
        self.done = 0
        self.history: list[CurvePoint] = []
        self.faces = len(table.faces)
        self.actions = len(table.transforms)
        self.episodes = CorrectionEpisodes(
            table,
            data.encoder,
            config.environments,
            max_steps=config.max_steps,
            device=self.device,
            reward=config.reward,
            clean=data.clean,
        )
        network = QNetwork(
            self.episodes.face_states.size,
            self.actions,
            hidden=config.hidden,
            standardize=config.standardize,
            seed=data.seed,
        )
        self.update = QUpdate(network.to(self.device))

    def play_to_next_point(self) -> int:
        """Plays the episodes up to the next point of the learning curve; returns how many."""
        every = max(POINT_EVERY, self.config.episodes // MOST_POINTS)
        rounds = math.ceil(every / self.config.environments)
        start, rewards = self.done, 0.0
        losses: list[torch.Tensor] = []
        taken = np.zeros(self.actions, dtype=np.int64)
        for _ in range(rounds):
            count = min(self.config.environments, self.config.episodes - self.done)
            if not count:
                break
            rewards += self._play_round(self.done, count, taken, losses)
            self.done += count
        self.history.append(
            CurvePoint(
                episode=self.done,
                reward=rewards / (self.done - start),
                loss=float(torch.stack(losses).mean()),
                epsilon=self.config.epsilon(self.done - 1),
                learning_rate=self.config.rate(self.done - 1),
                actions=tuple((taken / taken.sum()).tolist()),
            )
        )
        return self.done - start

    def _play_round(
        self, first: int, count: int, taken: Integers, losses: list[torch.Tensor]
    ) -> float:
        """Plays the episodes `first` to `first + count` side by side; returns their rewards."""
        rng = generator(self.seed, "q-learning", first)
        epsilons = np.array([self.config.epsilon(first + slot) for slot in range(count)])
        active: Integers = np.arange(count, dtype=np.int64)
        self.episodes.begin(active, rng.integers(self.faces, size=count))
        rewards = 0.0
        while len(active):
            values = self.update.values(self.episodes.observe(active))
            coins = rng.random(len(active)) < epsilons[active]
            drawn = rng.integers(self.actions, size=len(active))
            actions = np.where(coins, drawn, values.argmax(1).cpu().numpy())
            outcome = self.episodes.step(active, actions)
            targets = torch.from_numpy(outcome.rewards).to(self.device, copy=True)
            going = active[~outcome.ended]
            if len(going):
                ahead = self._values_ahead(going)
                targets[torch.from_numpy(~outcome.ended).to(self.device)] += ahead
            chosen = torch.from_numpy(actions).to(self.device)
            losses.append(self.update.step(chosen, targets, self.config.rate(first)))
            taken += np.bincount(actions, minlength=self.actions)
            rewards += float(outcome.rewards.sum())
            active = going
        return rewards

    @torch.no_grad()
    def _values_ahead(self, slots: Integers) -> torch.Tensor:
        """Returns the discounted values of the next states, float32 (n,)."""
        values: torch.Tensor = self.update.network(self.episodes.observe(slots))
        return self.config.gamma * values.amax(dim=1)


class QUpdate:
    """Trains a Q-network with Adam on the mean squared error to target Q-values.

    The first layer of the paper's network has 77 MB of weights, and with one image per update the
    time goes where memory does. So Adam is fused, and the first layer's gradient is written over
    the last one instead of into 77 MB of fresh memory, whose pages alone cost more than the
    arithmetic.

    Args:
        network: The network, on its device; trained in place.
    """

    def __init__(self, network: QNetwork) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters(), fused=True)
        network.first.weight.grad = torch.zeros_like(network.first.weight)
        self._inputs = torch.empty(0)
        self._hidden = torch.empty(0)
        self._values = torch.empty(0)

    def values(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the value of every action, float32 (N, A), and keeps what `step` needs."""
        with torch.no_grad():
            self._inputs = self.network.inputs(states)
            self._hidden = self.network.first(self._inputs)
        self._values = self.network.head(self._hidden.requires_grad_())
        return self._values.detach()

    def step(self, actions: torch.Tensor, targets: torch.Tensor, rate: float) -> torch.Tensor:
        """Moves the values that the last call of `values` returned towards targets.

        The target Q-values are the Q-values with the entry of the action taken replaced, so the
        other actions add nothing to the loss but count in its mean. Returns the loss, a scalar.
        """
        goal = self._values.detach().clone()
        goal[torch.arange(len(actions), device=goal.device), actions] = targets
        loss = functional.mse_loss(self._values, goal)
        second = self.network.second
        second.weight.grad = second.bias.grad = None
        torch.autograd.backward(loss, inputs=[self._hidden, *second.parameters()])
        self._first_layer_gradient()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.detach()

    def _first_layer_gradient(self) -> None:
        first, slope = self.network.first, self._hidden.grad
        if slope is None or first.weight.grad is None:
            raise RuntimeError("call values() before step()")
        torch.mm(slope.T, self._inputs, out=first.weight.grad)
        first.bias.grad = slope.sum(0)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns weights and Adam's moments by name."""
        moments = artifacts.optimizer_tensors(self.optimizer)
        return {**self.network.state_dict(), **{_ADAM + key: v for key, v in moments.items()}}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Takes over what `tensors` returned."""
        self.network.load_state_dict({name: tensors[name] for name in self.network.state_dict()})
        moments = {k.removeprefix(_ADAM): v for k, v in tensors.items() if k.startswith(_ADAM)}
        artifacts.restore_optimizer(self.optimizer, moments)
