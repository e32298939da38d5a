"""What a learner is, and what it leaves behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from demagnify.agents.policy import Policy
from demagnify.agents.state import StateEncoder
from demagnify.core.registry import Registry
from demagnify.scores import LogitTable

Strings = NDArray[np.str_]

CLEAN: Final = "none"
"""The condition of faces that no attack has touched."""

LEARNERS: Final[Registry[Callable[[Any], Learner]]] = Registry("learner")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A point of the learning curve, averaged over the episodes since the point before.

    Attributes:
        episode: How many episodes were over; a learner that sees every reward at once counts
            each face that it has learned from.
        reward: Mean reward; -1 to 1 where verdicts are paid. On held-out faces where the learner
            keeps some.
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

    def row(self, names: Sequence[str]) -> dict[str, float]:
        """Returns the point as a row of a table, with a column per action called in `names`."""
        shares = {f"share {name}": share for name, share in zip(names, self.actions, strict=True)}
        figures = {key: value for key, value in self.to_json().items() if key != "actions"}
        return {**figures, **shares}

    def to_json(self) -> dict[str, Any]:
        """Returns the point as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CurvePoint:
        """Reads a point as `to_json` wrote it."""
        known = {field.name: values[field.name] for field in fields(cls)}
        return cls(**{**known, "actions": tuple(known["actions"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPolicy:
    """What a training leaves behind.

    Attributes:
        policy: Maps states to actions.
        history: The learning curve.
    """

    policy: Policy
    history: Sequence[CurvePoint]


class Learner(ABC):
    """Learns a policy from the rewards of a set of faces.

    Attributes:
        name: What configurations call it.
        fills_table: Whether it asks for every reward before it learns.
    """

    name: ClassVar[str]
    fills_table: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self,
        table: LogitTable,
        encoder: StateEncoder,
        *,
        seed: int = 0,
        checkpoint: Path | None = None,
        conditions: Strings | None = None,
    ) -> TrainedPolicy:
        """Learns from the faces of `table`, asking the detector what the table does not know.

        The same seed gives the same weights, bit for bit on the CPU, also when the process was
        killed and `fit` called again with the same checkpoint.

        Args:
            table: Faces, actions and the detector's answers; it knows more afterwards.
            encoder: What the agent sees.
            seed: Where all randomness comes from.
            checkpoint: A file to continue from and to keep the state in; None keeps none. What
                was trained to the end is returned at once.
            conditions: str (N,), under which attack each face is, "none" for clean ones; None if
                nobody knows. Some settings look at them.

        Raises:
            BadArtifactError: If the checkpoint is damaged, or of another configuration or data.
        """


def clean_faces(conditions: Strings | None) -> NDArray[np.bool_] | None:
    """Returns which faces no attack has touched, bool (N,); None if nobody knows."""
    return None if conditions is None else conditions == CLEAN


def identity_of(
    config: BaseModel, encoder: StateEncoder, seed: int, conditions: Strings | None
) -> str:
    """Returns what, beside the table, the result of a training depends on."""
    known = "" if conditions is None else " ".join(conditions)
    return f"{config.model_dump_json()} {encoder!r} seed {seed} {known}".rstrip()
