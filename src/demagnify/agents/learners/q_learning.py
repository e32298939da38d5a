"""Q-learning: the paper's training procedure, and the same with many environments per update."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.episodes import Episodes, Outcome
from demagnify.agents.learners.base import (
    LEARNERS,
    CurvePoint,
    Learner,
    Strings,
    TrainedPolicy,
    clean_faces,
    identity_of,
)
from demagnify.agents.learners.checkpoint import Checkpoint
from demagnify.agents.learners.config import QLearningConfig
from demagnify.agents.learners.q_update import QUpdate
from demagnify.agents.policy import GreedyQPolicy
from demagnify.agents.q_network import QNetwork
from demagnify.agents.state import StateEncoder
from demagnify.core import progress
from demagnify.core.rng import generator
from demagnify.scores import LogitTable

SAVE_EVERY_SECONDS: Final = 20.0
POINT_EVERY: Final = 100
MOST_POINTS: Final = 200

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


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

    Args:
        config: The settings.
    """

    name = "q-learning"

    def __init__(self, config: QLearningConfig | None = None) -> None:
        self.config = config or QLearningConfig()

    def fit(
        self,
        table: LogitTable,
        encoder: StateEncoder,
        *,
        seed: int = 0,
        checkpoint: Path | None = None,
        conditions: Strings | None = None,
    ) -> TrainedPolicy:
        """See `Learner.fit`."""
        run = _Run(self.config, table, encoder, seed, clean_faces(conditions))
        keeper = None
        if checkpoint:
            identity = identity_of(self.config, encoder, seed, conditions)
            keeper = Checkpoint(checkpoint, table, identity)
            saved = keeper.load()
            if saved:
                run.done, run.history = saved.episode, saved.history
                run.update.restore(saved.tensors)
        if not run.done:
            run.standardize()
        self._play(run, keeper)
        network = run.update.network
        network.zero_grad()
        return TrainedPolicy(policy=GreedyQPolicy(network).eval(), history=run.history)

    def _play(self, run: _Run, keeper: Checkpoint | None) -> None:
        if run.done >= self.config.episodes:
            return
        saved = time.monotonic()
        with progress.bar("training the agent", self.config.episodes) as advance:
            advance(run.done)
            while run.done < self.config.episodes:
                advance(run.play_to_next_point())
                if keeper and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    keeper.save(run.update.tensors(), run.done, run.history)
                    saved = time.monotonic()
        if keeper:
            # Nothing continues from the end, so the optimiser is left out.
            keeper.save(run.update.network.state_dict(), run.done, run.history)


class _Run:
    """One training: what changes from episode to episode."""

    def __init__(
        self,
        config: QLearningConfig,
        table: LogitTable,
        encoder: StateEncoder,
        seed: int,
        clean: Bools | None,
    ) -> None:
        self.config = config
        self.table = table
        self.clean = clean
        self.seed = seed
        self.device = table.device
        self.done = 0
        self.history: list[CurvePoint] = []
        self.faces = len(table.faces)
        self.actions = len(table.actions)
        self.episodes = Episodes(
            table,
            encoder,
            config.environments,
            max_steps=config.max_steps,
            device=self.device,
        )
        network = QNetwork(
            self.episodes.encoder.size(table.faces.size),
            self.actions,
            hidden=config.hidden,
            standardize=config.standardize,
            seed=seed,
        )
        self.update = QUpdate(network.to(self.device))

    def standardize(self) -> None:
        """Fits the network's shift and scale to the faces, if it has them."""
        if self.config.standardize:
            self.update.network.fit_scale(*self.episodes.face_states.moments())

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
        random = generator(self.seed, "q-learning", first)
        epsilons = np.array([self.config.epsilon(first + slot) for slot in range(count)])
        active: Integers = np.arange(count, dtype=np.int64)
        self.episodes.begin(active, random.integers(self.faces, size=count))
        rewards = 0.0
        while len(active):
            values = self.update.values(self.episodes.states(active))
            coins = random.random(len(active)) < epsilons[active]
            drawn = random.integers(self.actions, size=len(active))
            actions = np.where(coins, drawn, values.argmax(1).cpu().numpy())
            outcome = self.episodes.step(active, actions)
            earned = self._earned(active, outcome)
            targets = torch.from_numpy(earned).to(self.device)
            going = active[~outcome.ended]
            if len(going):
                ahead = self._values_ahead(going)
                targets[torch.from_numpy(~outcome.ended).to(self.device)] += ahead
            chosen = torch.from_numpy(actions).to(self.device)
            losses.append(self.update.step(chosen, targets, self.config.rate(first)))
            taken += np.bincount(actions, minlength=self.actions)
            rewards += float(earned.sum())
            active = going
        return rewards

    def _earned(self, slots: Integers, outcome: Outcome) -> Floats:
        """Returns what a step in `slots` is worth, float32 (n,): 0 where the verdict is to come."""
        reward = self.config.reward
        if reward.pays_verdicts:
            return outcome.rewards
        faces = self.episodes.faces[slots[outcome.ended]]
        earned = np.zeros(len(slots), dtype=np.float32)
        earned[outcome.ended] = reward.of(
            outcome.logits[outcome.ended],
            self.table.labels[faces],
            self.table.threshold,
            leave=self.table.lookup(faces, np.zeros_like(faces)) if reward.compares else None,
            clean=True if self.clean is None else self.clean[faces],
        )
        return earned

    @torch.no_grad()
    def _values_ahead(self, slots: Integers) -> torch.Tensor:
        """Returns what the next states of running episodes are worth today, float32 (n,)."""
        values: torch.Tensor = self.update.network(self.episodes.states(slots))
        return self.config.gamma * values.amax(dim=1)
