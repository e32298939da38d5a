"""What a killed training continues from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from demagnify.agents.learners.base import CurvePoint
from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError
from demagnify.scores import LogitTable

_LOGITS: Final = "reward-table"


@dataclass(frozen=True, slots=True)
class Saved:
    """The state of a training.

    Attributes:
        tensors: Weights, and the optimiser's state unless the training is over.
        episode: How many episodes are over.
        history: The learning curve.
    """

    tensors: dict[str, torch.Tensor]
    episode: int
    history: list[CurvePoint]


class Checkpoint:
    """One file with network, optimiser, episode, learning curve and the reward table so far.

    Randomness needs no place in it: every episode draws from a generator of its own number.

    Args:
        path: The file.
        table: The table that the training asks.
        identity: Everything else that the result depends on.
    """

    def __init__(self, path: Path, table: LogitTable, identity: str) -> None:
        self.path = path
        self._table = table
        labels = table.labels.tobytes()
        text = f"{table.fingerprint()} {table.threshold!r} {identity} ".encode()
        self._fingerprint = hashlib.sha256(text + labels).hexdigest()

    def save(
        self, tensors: Mapping[str, torch.Tensor], episode: int, history: Sequence[CurvePoint]
    ) -> None:
        """Writes the state after `episode` episodes, in one step."""
        state = {
            "fingerprint": self._fingerprint,
            "episode": episode,
            "history": [point.to_json() for point in history],
        }
        logits = torch.from_numpy(self._table.logits)
        artifacts.save_state(self.path, {**tensors, _LOGITS: logits}, state)

    def load(self) -> Saved | None:
        """Returns the state on disk, if there is one, and puts what it knows into the table.

        Raises:
            BadArtifactError: If it is damaged, or of another configuration or data.
        """
        if not self.path.exists():
            return None
        tensors, state = artifacts.load_state(self.path)
        if state.get("fingerprint") != self._fingerprint:
            raise BadArtifactError(
                f"{self.path} belongs to another training (settings, data or detector differ)",
                hint="delete it to start anew, or choose another output folder",
            )
        self._table.adopt(tensors.pop(_LOGITS))
        history = [CurvePoint.from_json(point) for point in state["history"]]
        return Saved(tensors, int(state["episode"]), history)
