"""The contract of learners: a logit table in, a policy out."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from demagnify.agents.policies.base import Policy
from demagnify.agents.rewards import RewardConfig
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError
from demagnify.core.registry import Registry
from demagnify.core.settings import Frozen
from demagnify.core.trackers import Point
from demagnify.laundering.config import CLEAN
from demagnify.scores import LogitTable

Strings = NDArray[np.str_]
P = TypeVar("P", bound=Policy)

_LOGITS: Final = "logit-table"
_FIGURES: Final = ("reward", "loss", "epsilon", "learning_rate")

LEARNERS: Final[Registry[type[Learner]]] = Registry(
    "learner", package="demagnify.agents.learners", group="demagnify.learners"
)


class LearnerConfig(Frozen):
    """Settings that all learners have; each learner adds its own in a subclass."""

    name: str = Field(description="The registered name of the learner")
    reward: RewardConfig = Field(
        default=RewardConfig(), description="The reward of a logit of the detector"
    )

    @staticmethod
    def model_for(values: Mapping[str, Any]) -> type[LearnerConfig]:
        """Returns the settings of the learner that `values` name; Q-learning's without a name."""
        return LEARNERS.get(str(values.get("name", "q-learning"))).config_type


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A point of the learning curve, averaged over the episodes since the point before.

    Attributes:
        episode: The episodes so far; a learner that knows every reward counts each face that it
            has learned from.
        reward: Mean reward; -1 to 1 for the reward "verdict". On held-out faces where the learner
            holds some out.
        loss: Mean loss.
        epsilon: Share of random actions at this episode.
        learning_rate: At this episode.
        actions: Share of each action.
    """

    episode: int
    reward: float
    loss: float
    epsilon: float
    learning_rate: float
    actions: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the point as JSON can hold it."""
        return asdict(self)

    def point(self, names: Sequence[str]) -> Point:
        """Returns its figures for a tracker; `names` are those of the actions."""
        shares = {f"actions/{name}": x for name, x in zip(names, self.actions, strict=True)}
        figures = {name: getattr(self, name) for name in _FIGURES}
        return self.episode, {**figures, **shares}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CurvePoint:
        """Reads a point as `to_json` wrote it."""
        return cls(**{**values, "actions": tuple(values["actions"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPolicy:
    """The result of a learner.

    Attributes:
        policy: Maps states to actions.
        history: The learning curve; empty if there was nothing to learn.
    """

    policy: Policy
    history: Sequence[CurvePoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What a learner gets; N faces, A actions.

    Attributes:
        table: Faces, actions and the detector's logits.
        encoder: Computes the states; bound to the detector.
        seed: Seed of all random numbers.
        conditions: str (N,), the attack on each face; None if unknown.
        given: float32 (N, A), the reward of every action on every face, in place of those of the
            logits; None for these.
    """

    table: LogitTable
    encoder: StateEncoder
    seed: int
    conditions: Strings | None = None
    given: NDArray[np.float32] | None = None

    @property
    def clean(self) -> NDArray[np.bool_] | None:
        """Which faces are clean, bool (N,); None if unknown."""
        return None if self.conditions is None else self.conditions == CLEAN

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return len(self.table.transforms) if self.given is None else self.given.shape[1]

    def states(self) -> FaceStates:
        """Returns the states of the faces, on the detector's device.

        `states()(rows)` gives those of some faces, `states().all()` float32 (N, S) of all.
        """
        return FaceStates(self.table, self.encoder, self.table.device)

    def rewards(self, reward: RewardConfig) -> NDArray[np.float32]:
        """Returns the reward of every action on every face, float32 (N, A).

        Args:
            reward: What a logit is worth; the learner's `config.reward`.
        """
        if self.given is not None:
            return self.given
        self.table.fill()
        return reward.of_table(self.table, self.clean)


class Learner(ABC):
    """Learns a policy from the rewards of a set of faces.

    A new learner is one file: a `LearnerConfig` with its settings, and a subclass that registers
    itself in `LEARNERS`, names that config and writes `train`.

    Args:
        config: The settings; None means the defaults.

    Attributes:
        config_type: The model of the settings.
        fills_table: Whether it needs every logit before it learns.
        uses_state: Whether its policy reads states; see `Policy`.
    """

    config_type: ClassVar[type[LearnerConfig]]
    fills_table: ClassVar[bool] = False
    uses_state: ClassVar[bool] = True

    def __init__(self, config: Any = None) -> None:  # noqa: ANN401  each has its own type
        self.config: Any = config or self.config_type()  # type: ignore[call-arg]

    def fit(
        self,
        table: LogitTable,
        encoder: StateEncoder,
        *,
        seed: int = 0,
        checkpoint: Path | None = None,
        conditions: Strings | None = None,
        on_history: Callable[[Sequence[CurvePoint]], None] | None = None,
    ) -> TrainedPolicy:
        """Learns from the faces of `table`, which computes the logits that it does not know.

        The same seed gives the same weights, bit for bit on the CPU, also when the process was
        killed and `fit` called again with the same checkpoint.

        Args:
            table: Faces, actions and the detector's logits; more are known afterwards.
            encoder: Computes the states.
            seed: Seed of all random numbers.
            checkpoint: A file to continue from and to save to; None saves nothing. A training
                that had ended is returned at once.
            conditions: str (N,), the attack on each face, "none" for clean ones; None if unknown.
                Some settings need it.
            on_history: Gets the learning curve so far at each checkpoint.

        Raises:
            BadArtifactError: If the checkpoint is damaged, or of another configuration or data.
        """
        data = TrainingData(
            table=table,
            encoder=encoder.bind(table.detector) if self.uses_state else encoder,
            seed=seed,
            conditions=conditions,
        )
        return self.train(data, Checkpoint(checkpoint, data, self.config, on_history))

    @abstractmethod
    def train(self, data: TrainingData, checkpoint: Checkpoint) -> TrainedPolicy:
        """Learns from `data`; continues from `checkpoint` and saves to it; see `fit`."""


class TableLearner(Learner, Generic[P]):
    """A learner that knows the reward of every action on every face before it starts.

    Filling the table takes long. Learning from it takes seconds, so a killed training starts
    anew; only the table (see `LogitTable.fill`) and the finished policy are saved.
    """

    fills_table: ClassVar[bool] = True

    def train(self, data: TrainingData, checkpoint: Checkpoint) -> TrainedPolicy:
        """See `Learner.train`."""
        table = data.table
        policy = self.blank(data.encoder.size(table.faces.size), data.actions, data.seed)
        policy = policy.to(table.device)
        saved = checkpoint.load()
        if saved:
            policy.load_state_dict(saved.tensors)
            return TrainedPolicy(policy=policy.eval(), history=saved.history)
        if data.given is None:
            table.fill()
        history = self.learn(policy, data)
        checkpoint.save(policy.state_dict(), history[-1].episode, history)
        return TrainedPolicy(policy=policy.eval(), history=history)

    @abstractmethod
    def blank(self, state_size: int, actions: int, seed: int) -> P:
        """Returns the policy before training, on the CPU."""

    @abstractmethod
    def learn(self, policy: P, data: TrainingData) -> Sequence[CurvePoint]:
        """Trains the policy in place on a filled table; returns the learning curve."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The state of a training: weights, and the optimiser's state unless the training is over."""

    tensors: dict[str, torch.Tensor]
    episode: int
    history: list[CurvePoint]


class Checkpoint:
    """One file with network, optimiser, episode, learning curve and the logits so far.

    It needs no state of random generators: every episode draws from a generator of its number.

    Args:
        path: The file; None saves and finds nothing.
        data: The data of the training.
        config: The settings of the learner.
        on_history: Gets the learning curve at each save.
    """

    def __init__(
        self,
        path: Path | None,
        data: TrainingData,
        config: BaseModel,
        on_history: Callable[[Sequence[CurvePoint]], None] | None = None,
    ) -> None:
        self._on_history = on_history
        self._path = path
        self._data = data
        self._config = config

    def _fingerprint(self) -> str:
        """Returns a text on which the result of the training depends."""
        data, table = self._data, self._data.table
        known = "" if data.conditions is None else " ".join(data.conditions)
        settings = f"{self._config.model_dump_json()} {data.encoder!r} seed {data.seed} {known}"
        text = f"{table.fingerprint()} {table.threshold!r} {settings.rstrip()} "
        return hashlib.sha256(text.encode() + table.labels.tobytes()).hexdigest()

    def save(
        self, tensors: Mapping[str, torch.Tensor], episode: int, history: Sequence[CurvePoint]
    ) -> None:
        """Writes the state after `episode` episodes, in one step."""
        if self._on_history is not None:
            self._on_history(history)
        if self._path is None:
            return
        state = {
            "fingerprint": self._fingerprint(),
            "episode": episode,
            "history": [point.to_json() for point in history],
        }
        logits = torch.from_numpy(self._data.table.logits)
        artifacts.save_state(self._path, {**tensors, _LOGITS: logits}, state)

    def load(self) -> Saved | None:
        """Returns the saved state, if there is one, and puts its logits into the table.

        Raises:
            BadArtifactError: If it is damaged, or of another configuration or data.
        """
        if self._path is None or not self._path.exists():
            return None
        tensors, state = artifacts.load_state(self._path)
        if state.get("fingerprint") != self._fingerprint():
            raise BadArtifactError(
                f"{self._path} belongs to another training (settings, data or detector differ)",
                hint="delete it to start anew, or choose another output folder",
            )
        self._data.table.update(tensors.pop(_LOGITS).numpy())
        history = [CurvePoint.from_json(point) for point in state["history"]]
        return Saved(tensors, int(state["episode"]), history)
