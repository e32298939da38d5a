"""What an agent asks the detector about a batch of faces, and how often."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from demagnify.agents.state import Opinion
from demagnify.detectors.detector import Detector
from demagnify.scores import Integers, LogitTable
from demagnify.transforms import TransformSet


class Questions(ABC):
    """Answers a policy, and counts the detector's passes.

    What a state has found out already is not asked again: where it needed the detector's opinion,
    an action that leaves the pixels costs nothing.

    Args:
        actions: What can be done to a face.
        count: N, how many faces there are.
        looked: Whether the detector was asked about the faces as they came, for their state.
        device: Where the answers are wanted.

    Attributes:
        calls: int64 (N,), how often the detector was asked about each face so far.
    """

    def __init__(
        self, actions: TransformSet, count: int, *, looked: bool, device: torch.device
    ) -> None:
        self.actions = actions
        self._looked = looked
        self._leaving = torch.from_numpy(actions.identity).to(device)
        self.calls = torch.full((count,), int(looked), dtype=torch.int64, device=device)

    def __call__(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Returns the logits of some faces after their actions, float32 (n,).

        Args:
            rows: int64 (n,), which faces, in rising order and none twice.
            actions: int64 (n,), the number of each one's action.
        """
        known = self._leaving[actions] & self._looked
        self.calls[rows] += (~known).long()
        return self._answer(rows, actions, known)

    @abstractmethod
    def _answer(
        self, rows: torch.Tensor, actions: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """Returns the answers; where `known`, bool (n,), they are those about untouched faces."""


class LiveQuestions(Questions):
    """Acts on faces and asks the detector about them.

    Args:
        detector: Who is asked.
        actions: What can be done to a face.
        faces: uint8 RGB (N, 3, H, W) on the detector's device.
        opinion: What the detector said of them as they came; None if it was not asked.
    """

    def __init__(
        self,
        detector: Detector,
        actions: TransformSet,
        faces: torch.Tensor,
        opinion: Opinion | None,
    ) -> None:
        super().__init__(actions, len(faces), looked=opinion is not None, device=faces.device)
        self._detector = detector
        self._faces = faces
        self._untouched = None if opinion is None else opinion.logits.to(faces.device)

    def untouched(self, chosen: torch.Tensor) -> torch.Tensor:
        """Returns the logits of the faces that `chosen`, bool (N,), marks, as they came.

        This is for those who compare, and is not counted.
        """
        if self._untouched is not None:
            return self._untouched[chosen]
        logits: torch.Tensor = self._detector(self._faces[chosen])
        return logits

    def _answer(
        self, rows: torch.Tensor, actions: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        if self._untouched is None or not known.any():
            return self._ask(rows, actions)
        logits = self._untouched[rows]
        if not known.all():
            logits[~known] = self._ask(rows[~known], actions[~known])
        return logits

    def _ask(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        faces = self._faces if len(rows) == len(self._faces) else self._faces[rows]
        logits: torch.Tensor = self._detector(self.actions.apply(faces, actions))
        return logits


class TableQuestions(Questions):
    """Reads the answers from a reward table.

    Args:
        table: Knows the answers, or asks.
        indices: int64 (N,), which of its faces these are.
        looked: Whether a live agent would have asked about them for their state.
        device: Where the answers are wanted.
    """

    def __init__(
        self, table: LogitTable, indices: Integers, *, looked: bool, device: torch.device
    ) -> None:
        super().__init__(table.actions, len(indices), looked=looked, device=device)
        self._table = table
        self._indices = indices

    def _answer(
        self,
        rows: torch.Tensor,
        actions: torch.Tensor,
        known: torch.Tensor,  # noqa: ARG002
    ) -> torch.Tensor:
        logits = self._table.lookup(self._indices[rows.cpu().numpy()], actions.cpu().numpy())
        return torch.from_numpy(logits).to(rows.device)
