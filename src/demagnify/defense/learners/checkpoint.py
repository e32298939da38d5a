"""What a killed training continues from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from demagnify import artifacts
from demagnify.defense.learners.base import CurvePoint
from demagnify.defense.learners.q_update import QUpdate
from demagnify.defense.q_network import QNetwork
from demagnify.defense.reward_table import RewardTable
from demagnify.errors import BadArtifactError

_LOGITS: Final = "reward-table"


class Checkpoint:
    """One file with network, optimiser, episode, learning curve and the reward table so far.

    Randomness needs no place in it: every episode draws from a generator of its own number.

    Args:
        path: The file.
        table: The table that the training asks.
        identity: Everything else that the result depends on.
    """

    def __init__(self, path: Path, table: RewardTable, identity: str) -> None:
        self.path = path
        self._table = table
        labels = table.labels.tobytes()
        text = f"{table.fingerprint()} {table.threshold!r} {identity} ".encode()
        self._fingerprint = hashlib.sha256(text + labels).hexdigest()

    def save(self, update: QUpdate, episode: int, history: Sequence[CurvePoint]) -> None:
        """Writes the state after `episode` episodes, in one step."""
        self._write(update.tensors(), episode, history)

    def finish(self, network: QNetwork, episode: int, history: Sequence[CurvePoint]) -> None:
        """Writes the end: nothing continues from it, so the optimiser is left out."""
        self._write(network.state_dict(), episode, history)

    def restore(self, update: QUpdate) -> tuple[int, list[CurvePoint]]:
        """Puts `update` and the table into the state on disk, if there is one.

        Returns:
            How many episodes are over, and the learning curve.

        Raises:
            BadArtifactError: If it is damaged, or of another configuration or data.
        """
        if not self.path.exists():
            return 0, []
        tensors, state = artifacts.load_state(self.path)
        if state.get("fingerprint") != self._fingerprint:
            raise BadArtifactError(
                f"{self.path} belongs to another training (settings, data or detector differ)",
                hint="delete it to start anew, or choose another output folder",
            )
        self._table.adopt(tensors.pop(_LOGITS))
        update.restore(tensors)
        return int(state["episode"]), [CurvePoint.from_json(point) for point in state["history"]]

    def _write(
        self, tensors: dict[str, torch.Tensor], episode: int, history: Sequence[CurvePoint]
    ) -> None:
        state = {
            "fingerprint": self._fingerprint,
            "episode": episode,
            "history": [point.to_json() for point in history],
        }
        logits = torch.from_numpy(self._table.logits)
        artifacts.save_state(self.path, {**tensors, _LOGITS: logits}, state)
