"""Fitting a network to the rewards of all actions at once."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.learners.base import CurvePoint, clean_faces
from demagnify.agents.learners.config import NetworkConfig
from demagnify.agents.learners.from_table import FromTable, Lesson
from demagnify.agents.learners.threads import threads_for
from demagnify.agents.learners.weighting import Weighting
from demagnify.agents.policy import GreedyQPolicy, TopKPolicy
from demagnify.agents.q_network import QNetwork
from demagnify.agents.state import FaceStates
from demagnify.core import progress
from demagnify.core.rng import generator
from demagnify.data.subsample import hold_out

AT_ONCE: Final = 1024

ByNetwork = GreedyQPolicy | TopKPolicy
Integers = NDArray[np.int64]


class NetworkLearner(FromTable[ByNetwork]):
    """Trains the Q-network's two layers on a loss of its scores and all rewards.

    AdamW on batches of faces; some groups are held out, and what counts is the network after the
    pass that did best on them. Without enough groups to hold some out, all faces tell when to
    end. The policy takes the action with the highest score.

    Args:
        config: The settings.
    """

    def __init__(self, config: NetworkConfig) -> None:
        self.config = config

    @abstractmethod
    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns what to make small, float32 (n,), one number per face.

        Args:
            scores: float32 (n, A), of the network.
            rewards: float32 (n, A), of the actions.
        """

    def policy_of(self, network: QNetwork) -> ByNetwork:
        """Returns the policy that acts by a network."""
        return GreedyQPolicy(network)

    def settings(self) -> NetworkConfig:
        """Returns the settings."""
        return self.config

    def blank(self, state_size: int, actions: int, seed: int) -> ByNetwork:
        """See `FromTable.blank`."""
        network = QNetwork(
            state_size,
            actions,
            hidden=self.config.hidden,
            standardize=self.config.standardize,
            seed=seed,
        )
        return self.policy_of(network)

    def learn(self, policy: ByNetwork, lesson: Lesson) -> Sequence[CurvePoint]:
        """See `FromTable.learn`."""
        states = FaceStates(lesson.table, lesson.encoder, lesson.table.device)
        if self.config.standardize:
            policy.network.fit_scale(*states.moments())
        with threads_for(policy.network):
            return _Fit(self, policy.network, states, lesson).run()


class _Fit:
    """One training."""

    def __init__(
        self, learner: NetworkLearner, network: QNetwork, states: FaceStates, lesson: Lesson
    ) -> None:
        table, config = lesson.table, learner.config
        self.learner = learner
        self.config = config
        self.network = network
        self.states = states
        self.seed = lesson.seed
        rewards = config.reward.of_table(table, clean_faces(lesson.conditions))
        self.rewards = torch.from_numpy(rewards).to(table.device)
        self.kept, held = hold_out(
            table.faces.groups, config.held_out, seed=lesson.seed, purpose="early stop"
        )
        self.held = held if len(held) else self.kept
        self.weighting = Weighting(
            table.labels, lesson.conditions, rewards, balance=config.balance, rate=config.worst_case
        )
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def run(self) -> list[CurvePoint]:
        """Trains until it no longer gets better; leaves the best weights in the network."""
        history: list[CurvePoint] = []
        best, best_epoch = np.inf, 0
        weights = copy.deepcopy(self.network.state_dict())
        with progress.bar("training the agent", self.config.epochs) as advance:
            for epoch in range(self.config.epochs):
                loss = self._pass(epoch)
                value, point = self._judge(epoch, loss)
                history.append(point)
                if value < best:
                    best, best_epoch = value, epoch
                    weights = copy.deepcopy(self.network.state_dict())
                advance(1)
                if epoch - best_epoch >= self.config.patience:
                    break
        self.network.load_state_dict(weights)
        self.network.zero_grad()
        return history

    def _pass(self, epoch: int) -> float:
        """Goes once over the faces in a new order; returns the mean loss."""
        order = generator(self.seed, "pass", epoch).permutation(self.kept)
        weights = torch.from_numpy(self.weighting.of_faces()).to(self.rewards.device)
        losses = []
        for start in range(0, len(order), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            where = torch.from_numpy(rows).to(self.rewards.device)
            each = self.learner.loss(self.network(self.states(rows)), self.rewards[where])
            loss = (each * weights[where]).mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    @torch.no_grad()
    def _judge(self, epoch: int, loss: float) -> tuple[float, CurvePoint]:
        """Returns how bad the network is on what was held out, and the learning curve's point."""
        scores = self._scores(self.held)
        chosen = scores.argmax(dim=1).cpu().numpy()
        if self.config.worst_case:
            value = self.weighting.shortfall(self.held, chosen).max()
            self.weighting.move(self.kept, self._scores(self.kept).argmax(dim=1).cpu().numpy())
        else:
            where = torch.from_numpy(self.held).to(scores.device)
            each = self.learner.loss(scores, self.rewards[where]).cpu().numpy()
            value = np.average(each, weights=self.weighting.of_faces()[self.held])
        shares = np.bincount(chosen, minlength=scores.shape[1]) / len(chosen)
        return float(value), CurvePoint(
            episode=(epoch + 1) * len(self.kept),
            reward=float(self.weighting.rewards[self.held, chosen].mean()),
            loss=loss,
            epsilon=0.0,
            learning_rate=self.config.learning_rate,
            actions=tuple(shares.tolist()),
        )

    def _scores(self, rows: Integers) -> torch.Tensor:
        parts: list[Any] = [
            self.network(self.states(rows[start : start + AT_ONCE]))
            for start in range(0, len(rows), AT_ONCE)
        ]
        return torch.cat(parts)
