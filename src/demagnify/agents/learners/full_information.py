"""Learners that fit a network to the rewards of all actions at once.

There is nothing to explore: every reward is known. Four losses make four learners.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch.nn import functional

from demagnify.agents.learners.base import (
    LEARNERS,
    Checkpoint,
    CurvePoint,
    LearnerConfig,
    TableLearner,
    TrainedPolicy,
    TrainingData,
)
from demagnify.agents.policies.q_values import GreedyQPolicy, TopKPolicy
from demagnify.agents.q_network import HIDDEN, QNetwork, threads_for
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.core import progress
from demagnify.core.errors import BadConfigError
from demagnify.core.rng import generator
from demagnify.data.subsample import hold_out
from demagnify.scores import Floats, Integers, LogitTable

SCORED_AT_ONCE: Final = 1024

ByNetwork = GreedyQPolicy | TopKPolicy


class NetworkConfig(LearnerConfig):
    """Settings of the learners that fit a network to all rewards at once."""

    hidden: int = Field(default=HIDDEN, ge=1, description="Units between the two layers")
    standardize: bool = Field(
        default=True, description="Standardise states by their moments on the training faces"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="AdamW's")
    weight_decay: float = Field(default=0.1, ge=0, description="AdamW's, times the learning rate")
    batch_size: int = Field(default=256, ge=1, description="Faces per update")
    epochs: int = Field(default=100, ge=1, description="The most passes over the faces")
    patience: int = Field(
        default=10,
        ge=1,
        description="Passes without a better value on held-out groups before it stops",
    )
    held_out: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the groups held out for early stopping"
    )
    balance: bool = Field(
        default=True, description="Give real and fake faces the same total weight"
    )
    worst_case: float = Field(
        default=0.0,
        ge=0,
        description="How fast weight moves to the conditions (clean, each attack) in which the "
        "policy falls shortest of the best fixed action; 0 keeps all alike",
    )


class NetworkLearner(TableLearner[ByNetwork]):
    """Trains the two layers of a Q-network on a loss of its outputs and all rewards.

    AdamW on batches of faces. Some groups are held out; the result is the network after the pass
    with the best value on them. Without enough groups, all faces serve for early stopping. The
    policy takes the action with the highest output. A subclass may write another loss.
    """

    config: NetworkConfig

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the loss of each face, float32 (n,): the mean squared error over the actions.

        Args:
            scores: float32 (n, A), the outputs of the network.
            rewards: float32 (n, A), the rewards of the actions.
        """
        return (scores - rewards).square().mean(dim=1)

    def policy_of(self, network: QNetwork) -> ByNetwork:
        """Returns the policy of a network."""
        return GreedyQPolicy(network)

    def blank(self, state_size: int, actions: int, seed: int) -> ByNetwork:
        """See `TableLearner.blank`."""
        network = QNetwork(
            state_size,
            actions,
            hidden=self.config.hidden,
            standardize=self.config.standardize,
            seed=seed,
        )
        return self.policy_of(network)

    def fit_rewards(
        self, table: LogitTable, encoder: StateEncoder, rewards: Floats, *, seed: int = 0
    ) -> TrainedPolicy:
        """Learns from `rewards`, float32 (N, A), instead of those that follow from the logits.

        With one column per label, this trains a classifier.
        """
        encoder = encoder.bind(table.detector)
        data = TrainingData(table=table, encoder=encoder, seed=seed, given=rewards)
        return self.train(data, Checkpoint(None, data, self.config))

    def learn(self, policy: ByNetwork, data: TrainingData) -> Sequence[CurvePoint]:
        """See `TableLearner.learn`."""
        states = data.states()
        if self.config.standardize:
            policy.network.fit_scale(*states.moments())
        with threads_for(policy.network):
            return _Fit(self, policy.network, states, data).run()


class _Fit:
    """One training."""

    def __init__(
        self, learner: NetworkLearner, network: QNetwork, states: FaceStates, data: TrainingData
    ) -> None:
        table, config = data.table, learner.config
        self.learner = learner
        self.config = config
        self.network = network
        self.states = states
        self.seed = data.seed
        rewards = data.rewards(config.reward)
        self.rewards = torch.from_numpy(rewards).to(table.device)
        self.train, held = hold_out(
            table.faces.groups, config.held_out, seed=data.seed, purpose="early stop"
        )
        self.held = held if len(held) else self.train
        self.weighting = Weighting(
            table.labels, data.conditions, rewards, balance=config.balance, rate=config.worst_case
        )
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def run(self) -> list[CurvePoint]:
        """Trains until the held-out value stops improving; keeps the best weights."""
        history: list[CurvePoint] = []
        best, best_epoch = np.inf, 0
        weights = copy.deepcopy(self.network.state_dict())
        with progress.bar("training the agent", self.config.epochs) as advance:
            for epoch in range(self.config.epochs):
                loss = self._pass(epoch)
                value, point = self._validate(epoch, loss)
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
        order = generator(self.seed, "pass", epoch).permutation(self.train)
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
    def _validate(self, epoch: int, loss: float) -> tuple[float, CurvePoint]:
        """Returns the held-out value, lower is better, and the point of the learning curve."""
        scores = self._scores(self.held)
        chosen = scores.argmax(dim=1).cpu().numpy()
        if self.config.worst_case:
            value = self.weighting.shortfall(self.held, chosen).max()
            self.weighting.move(self.train, self._scores(self.train).argmax(dim=1).cpu().numpy())
        else:
            where = torch.from_numpy(self.held).to(scores.device)
            each = self.learner.loss(scores, self.rewards[where]).cpu().numpy()
            value = np.average(each, weights=self.weighting.of_faces()[self.held])
        shares = np.bincount(chosen, minlength=scores.shape[1]) / len(chosen)
        return float(value), CurvePoint(
            episode=(epoch + 1) * len(self.train),
            reward=float(self.weighting.rewards[self.held, chosen].mean()),
            loss=loss,
            epsilon=0.0,
            learning_rate=self.config.learning_rate,
            actions=tuple(shares.tolist()),
        )

    def _scores(self, rows: Integers) -> torch.Tensor:
        parts: list[Any] = [
            self.network(self.states(rows[start : start + SCORED_AT_ONCE]))
            for start in range(0, len(rows), SCORED_AT_ONCE)
        ]
        return torch.cat(parts)


class Weighting:
    """Weights of faces: classes alike, and conditions alike or the worst ones first.

    With a rate above 0 the conditions play against the policy: after each pass the weight of a
    condition is multiplied by exp(rate x shortfall), as in group DRO (Sagawa et al., ICLR 2020).
    What counts is how far the policy's mean reward falls short of the best fixed action's in that
    condition (the regret of Agarwal & Zhang, COLT 2022), not the loss itself: a condition in
    which no action helps would otherwise take all the weight. Without `conditions` all faces are
    one; with `balance` real and fake faces get the same weight in sum.
    """

    def __init__(
        self,
        labels: Integers,
        conditions: NDArray[np.str_] | None,
        rewards: Floats,
        *,
        balance: bool,
        rate: float,
    ) -> None:
        self.rewards = rewards
        self.rate = rate
        self._condition = np.zeros(len(labels), dtype=np.int64)
        if conditions is not None:
            self._condition = np.unique(conditions, return_inverse=True)[1]
        self._base = np.ones(len(labels), dtype=np.float32)
        counts = np.bincount(labels, minlength=2)
        if balance and counts.all():
            self._base = (len(labels) / 2 / counts)[labels].astype(np.float32)
        count = int(self._condition.max(initial=0)) + 1
        self._logs = np.zeros(count, dtype=np.float64)

    def of_faces(self) -> Floats:
        """Returns the weight of each face, float32 (N,)."""
        shares = np.exp(self._logs - self._logs.max())
        factors = shares / shares.mean()
        weights: Floats = self._base * factors[self._condition].astype(np.float32)
        return weights

    def shortfall(self, rows: Integers, chosen: Integers) -> NDArray[np.float64]:
        """Returns by how much actions on faces earn less than the best fixed one, per condition.

        It is below 0 where they earn more, and 0 in a condition without faces.
        """
        missing = np.zeros(len(self._logs))
        for condition in range(len(missing)):
            mine = self._condition[rows] == condition
            if mine.any():
                rewards, weights = self.rewards[rows[mine]], self._base[rows[mine]]
                fixed = np.average(rewards, axis=0, weights=weights).max()
                taken = rewards[np.arange(len(rewards)), chosen[mine]]
                missing[condition] = fixed - np.average(taken, weights=weights)
        return missing

    def move(self, rows: Integers, chosen: Integers) -> None:
        """Moves weight to the conditions in which a policy falls shortest; see `shortfall`."""
        self._logs += self.rate * self.shortfall(rows, chosen)


class FullInformationConfig(NetworkConfig):
    """Regression of the rewards of all actions."""

    name: Literal["full-information"] = Field(default="full-information", description="The learner")


@LEARNERS.register("full-information")
class FullInformation(NetworkLearner):
    """Predicts the reward of each action, and takes the best.

    The supervised form of the paper's agent: Kim et al., "Learning Loss for Test-Time
    Augmentation" (NeurIPS 2020) predict the loss after each transformation. It is also
    cost-sensitive one-against-all classification (csoaa in Vowpal Wabbit), the oracle to which
    Agarwal et al. (ICML 2014) reduce contextual bandits.
    """

    config_type = FullInformationConfig


class PolicyGradientConfig(NetworkConfig):
    """The exact policy gradient."""

    name: Literal["policy-gradient"] = Field(default="policy-gradient", description="The learner")
    entropy: float = Field(
        default=0.01, ge=0, description="Weight of the entropy of the policy, in rewards per nat"
    )


@LEARNERS.register("policy-gradient")
class PolicyGradient(NetworkLearner):
    """Maximises the expected reward, the sum over a of pi(a|x) r(x, a).

    As every reward is known, the expectation is a sum, and its gradient has none of the noise of
    REINFORCE. The entropy bonus keeps the softmax pi from settling too early. The policy
    takes the most probable action.
    """

    config_type = PolicyGradientConfig
    config: PolicyGradientConfig

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the negative expected reward, minus the entropy bonus."""
        logs = torch.log_softmax(scores, dim=1)
        chances = logs.exp()
        entropy = -(chances * logs).sum(dim=1)
        return -(chances * rewards).sum(dim=1) - self.config.entropy * entropy


class CostSensitiveConfig(NetworkConfig):
    """Cost-sensitive classification."""

    name: Literal["cost-sensitive"] = Field(default="cost-sensitive", description="The learner")


@LEARNERS.register("cost-sensitive")
class CostSensitive(NetworkLearner):
    """Reduces the choice to weighted binary classification of pairs of actions.

    The label of a pair is the better action, its weight the difference of the rewards (weighted
    all pairs: Beygelzimer et al., "Error Limiting Reductions Between Classification Tasks", ICML
    2005); the logistic loss stands for the error. Faces on which every action earns the same
    have no weight here, whereas a regression spends capacity on them. The other classical
    reduction, one regression per action, is the learner "full-information".
    """

    config_type = CostSensitiveConfig

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the weighted logistic loss, averaged over all pairs."""
        gains = rewards[:, :, None] - rewards[:, None, :]
        leads = scores[:, :, None] - scores[:, None, :]
        # Both orders of a pair are there; clamping keeps the one whose first action is better.
        return (gains.clamp(min=0) * functional.softplus(-leads)).mean(dim=(1, 2))


class TopKConfig(NetworkConfig):
    """The mean logit over the k best actions."""

    name: Literal["top-k"] = Field(default="top-k", description="The learner")
    k: int = Field(default=3, ge=1, description="Number of actions to average over")


@LEARNERS.register("top-k")
class TopK(NetworkLearner):
    """Predicts as "full-information" does, and averages the logits over the k best actions.

    Nadimpalli & Rattani, "On Improving Cross-dataset Generalization of Deepfake Detectors"
    (CVPRW 2022), choose test-time augmentations like this. A verdict costs k calls of the detector.
    """

    config_type = TopKConfig
    config: TopKConfig

    def policy_of(self, network: QNetwork) -> TopKPolicy:
        """Returns the policy that averages."""
        actions = network.second.out_features
        if self.config.k > actions:
            raise BadConfigError(
                f"top-k cannot choose the best {self.config.k} of {actions} actions",
                hint=f"set k to at most {actions}",
            )
        return TopKPolicy(self.config.k, network)
