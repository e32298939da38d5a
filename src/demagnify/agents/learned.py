"""A policy as a defence that is judged on a reward table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.judgement import Defense, Judgement
from demagnify.agents.policy import Policy
from demagnify.agents.questions import TableQuestions
from demagnify.agents.state import FaceStates, StateEncoder
from demagnify.scores import Integers, LogitTable


class Learned(Defense):
    """Lets a policy judge.

    Args:
        policy: Maps states to actions.
        encoder: What the policy sees; used where `judge` is given no states.
        name: What tables call it.
    """

    def __init__(self, policy: Policy, encoder: StateEncoder, *, name: str = "learned") -> None:
        self.policy = policy
        self.encoder = encoder
        self.name = name

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:
        """Lets the policy judge, the table answering for the detector."""
        parts, calls = [], []
        looked = self.encoder.needs != "nothing"
        for indices, part in self._states(table, states):
            ask = TableQuestions(table, indices, looked=looked, device=part.device)
            parts.append(self.policy.judge(part, ask, table.threshold))
            calls.append(ask.calls)
        return Judgement(
            logits=_joined([part.logits for part in parts]),
            actions=_joined([part.actions for part in parts]),
            threshold=table.threshold,
            unsure=_joined_if_any([part.unsure for part in parts]),
            doubt=_joined_if_any([part.doubt for part in parts]),
            calls=_joined(calls),
        )

    def choose(self, table: LogitTable, states: torch.Tensor | None = None) -> Integers:
        """Returns the policy's first action for every face, int64 (N,); see `Defense.judge`."""
        return _joined([self.policy(part) for _, part in self._states(table, states)])

    def _states(
        self, table: LogitTable, states: torch.Tensor | None
    ) -> Iterator[tuple[Integers, torch.Tensor]]:
        """Yields the numbers of a few faces at a time, and what the policy sees of them."""
        device = next((weights.device for weights in self.policy.parameters()), table.device)
        encode = FaceStates(table, self.encoder, device)
        for start in range(0, len(table.faces), 64):
            indices = np.arange(start, min(start + 64, len(table.faces)), dtype=np.int64)
            yield indices, encode(indices) if states is None else states[indices].to(device)


def _joined(parts: Sequence[torch.Tensor]) -> NDArray[Any]:
    return torch.cat(list(parts)).cpu().numpy()


def _joined_if_any(parts: Sequence[torch.Tensor | None]) -> NDArray[Any] | None:
    there = [part for part in parts if part is not None]
    return _joined(there) if there else None
