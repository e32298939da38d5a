"""Predictors: whatever predicts from a logit table, be it a trained policy or a baseline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.policies.base import Policy
from demagnify.agents.queries import TableQueries
from demagnify.agents.states import FaceStates, StateEncoder
from demagnify.scores import Integers, LogitTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The predictions for N faces.

    Attributes:
        logits: float32 (N,); a logit above `threshold` means fake.
        actions: int64 (N,), the action for each face; None where no single action was chosen.
        threshold: The threshold for the logits.
        abstained: bool (N,), where no verdict is given; None where one is always given.
        uncertainty: float32 (N,), the estimated chance that the verdict is wrong; None if unknown.
        calls: int64 (N,), how often the detector ran on each face; None if not counted.
    """

    logits: NDArray[np.float32]
    actions: NDArray[np.int64] | None
    threshold: float
    abstained: NDArray[np.bool_] | None = None
    uncertainty: NDArray[np.float32] | None = None
    calls: NDArray[np.int64] | None = None

    @property
    def fake(self) -> NDArray[np.bool_]:
        """Whether each face is predicted fake, bool (N,); also where it abstained."""
        above: NDArray[np.bool_] = self.logits > np.float32(self.threshold)
        return above


class Predictor(ABC):
    """Predicts from the logits of a filled table.

    Attributes:
        name: The name in tables.
    """

    name: str

    @abstractmethod
    def predict(self, table: LogitTable) -> Predictions:
        """Returns a prediction for every face of `table`.

        Args:
            table: The faces; filled.
        """


class PolicyPredictor(Predictor):
    """A policy as a predictor.

    Args:
        policy: Maps states to actions.
        encoder: Computes the states; None if the policy uses none.
        name: The name in tables.
        threshold: A logit above it means fake; that of the table's detector if None.
    """

    def __init__(
        self,
        policy: Policy,
        encoder: StateEncoder | None,
        *,
        name: str = "learned",
        threshold: float | None = None,
    ) -> None:
        self.policy = policy
        self.encoder = encoder if policy.uses_state else None
        self.name = name
        self.threshold = threshold

    def predict(self, table: LogitTable) -> Predictions:
        """Returns the policy's decisions; the table replaces the detector."""
        threshold = table.threshold if self.threshold is None else self.threshold
        known = self.encoder is not None and self.encoder.needs != "nothing"
        parts = []
        for indices, part in self._states(table):
            query = TableQueries(table, indices, known=known, device=part.device)
            parts.append(query.decide(self.policy, part, threshold))
        return Predictions(
            logits=_joined([part.logits for part in parts]),
            actions=_joined([part.actions for part in parts]),
            threshold=threshold,
            abstained=_joined_if_any([part.abstained for part in parts]),
            uncertainty=_joined_if_any([part.uncertainty for part in parts]),
            calls=_joined([part.calls for part in parts]),
        )

    def choose(self, table: LogitTable) -> Integers:
        """Returns the policy's first action for every face, int64 (N,); see `Predictor.predict`."""
        return _joined([self.policy(part) for _, part in self._states(table)])

    def _states(self, table: LogitTable) -> Iterator[tuple[Integers, torch.Tensor]]:
        """Yields the numbers of a few faces at a time, and their states."""
        device = next((weights.device for weights in self.policy.parameters()), table.device)
        encode = None if self.encoder is None else FaceStates(table, self.encoder, device)
        for start in range(0, len(table.faces), 64):
            indices = np.arange(start, min(start + 64, len(table.faces)), dtype=np.int64)
            if encode is None:
                yield indices, torch.empty(len(indices), 0, device=device)
            else:
                yield indices, encode(indices)


def _joined(parts: Sequence[torch.Tensor]) -> NDArray[Any]:
    return torch.cat(list(parts)).cpu().numpy()


def _joined_if_any(parts: Sequence[torch.Tensor | None]) -> NDArray[Any] | None:
    there = [part for part in parts if part is not None]
    return _joined(there) if there else None
