"""What the learners share that read a whole reward table at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from demagnify.agents.learners.base import (
    CurvePoint,
    Learner,
    Strings,
    TrainedPolicy,
    identity_of,
)
from demagnify.agents.learners.checkpoint import Checkpoint
from demagnify.agents.policy import Policy
from demagnify.agents.state import StateEncoder
from demagnify.scores import LogitTable

P = TypeVar("P", bound=Policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What there is to learn from.

    Attributes:
        table: Faces, actions and the detector's answers; all are known.
        encoder: What the agent sees.
        seed: Where all randomness comes from.
        conditions: str (N,), under which attack each face is; None if nobody knows.
    """

    table: LogitTable
    encoder: StateEncoder
    seed: int
    conditions: Strings | None


class FromTable(Learner, Generic[P]):
    """A learner that knows the reward of every action on every face before it starts.

    Filling the table is what takes time. Learning from it takes seconds, so a killed training
    starts anew; only the table (see `LogitTable.fill`) and the finished policy are kept.
    """

    fills_table: ClassVar[bool] = True

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
        encoder = encoder.bind(table.detector)
        policy = self.blank(encoder.size(table.faces.size), len(table.actions), seed)
        policy = policy.to(table.device)
        keeper = None
        if checkpoint:
            identity = identity_of(self.settings(), encoder, seed, conditions)
            keeper = Checkpoint(checkpoint, table, identity)
            saved = keeper.load()
            if saved:
                policy.load_state_dict(saved.tensors)
                return TrainedPolicy(policy=policy.eval(), history=saved.history)
        table.fill()
        lesson = Lesson(table=table, encoder=encoder, seed=seed, conditions=conditions)
        history = self.learn(policy, lesson)
        if keeper:
            keeper.save(policy.state_dict(), history[-1].episode, history)
        return TrainedPolicy(policy=policy.eval(), history=history)

    @abstractmethod
    def settings(self) -> BaseModel:
        """Returns what it was configured with."""

    @abstractmethod
    def blank(self, state_size: int, actions: int, seed: int) -> P:
        """Returns the policy before it has learned, on the CPU."""

    @abstractmethod
    def learn(self, policy: P, lesson: Lesson) -> Sequence[CurvePoint]:
        """Trains the policy in place; returns the learning curve."""
