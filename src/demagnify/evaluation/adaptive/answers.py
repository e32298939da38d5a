"""What a detector said about faces under attacks: asked once, and kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError
from demagnify.data.dataset import FaceDataset

SAVE_EVERY_SECONDS: Final = 20.0

Scores = NDArray[np.float32]
Integers = NDArray[np.int64]
Judge = Callable[[torch.Tensor], torch.Tensor]
"""Maps an image batch to one score per image, float32 (n,); higher means fake."""


class Answers:
    """The score of every (face, attack) that was asked for; none is asked for twice.

    Attacks are known by their fingerprints, so that more of them can be added to a kept file.

    Args:
        judge: The detector.
        identity: What the scores depend on beside the attacks: fingerprints of detector and faces.
        count: N, how many faces there are.
        path: Where to keep the scores; what is there already is read. None keeps nothing.
        batch_size: How many images the detector judges at once.

    Attributes:
        asked: How many images the detector has judged for this object.

    Raises:
        BadArtifactError: If `path` is damaged, or holds answers about other faces or of another
            detector.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        identity: str,
        count: int,
        path: Path | None = None,
        batch_size: int = 64,
    ) -> None:
        self._judge = judge
        self._identity = hashlib.sha256(f"{identity}\n{count}".encode()).hexdigest()
        self._count = count
        self._path = path
        self._batch_size = batch_size
        self._scores: dict[str, Scores] = {}
        self._saved = time.monotonic()
        self._changed = False
        self.asked = 0
        if path is not None and path.exists():
            self._restore(path)

    def ask(
        self, columns: Mapping[int, tuple[str, FaceDataset]], rows: Integers, attacks: Integers
    ) -> Scores:
        """Returns the scores of n pairs of a face and an attack, float32 (n,).

        Args:
            columns: Number of each attack -> its fingerprint, and all N faces under it.
            rows: int64 (n,), numbers of faces.
            attacks: int64 (n,), numbers of attacks.
        """
        table = {number: self._column(columns[number][0]) for number in np.unique(attacks).tolist()}
        pairs = list(zip(rows.tolist(), attacks.tolist(), strict=True))
        unknown = [pair for pair in dict.fromkeys(pairs) if np.isnan(table[pair[1]][pair[0]])]
        for start in range(0, len(unknown), self._batch_size):
            part = unknown[start : start + self._batch_size]
            images = _gather(columns, part)
            for (row, attack), score in zip(part, self._scored(images).tolist(), strict=True):
                table[attack][row] = score
            self._save_sometimes()
        return np.array([table[attack][row] for row, attack in pairs], dtype=np.float32)

    def save(self) -> None:
        """Writes what is known, in one step, if there is a place for it and anything new."""
        if self._path is None or not self._changed:
            return
        tensors = {name: torch.from_numpy(scores) for name, scores in self._scores.items()}
        artifacts.save_state(self._path, tensors, {"identity": self._identity})
        self._saved, self._changed = time.monotonic(), False

    def _column(self, fingerprint: str) -> Scores:
        key = hashlib.sha256(fingerprint.encode()).hexdigest()
        return self._scores.setdefault(key, np.full(self._count, np.nan, dtype=np.float32))

    def _scored(self, images: torch.Tensor) -> Scores:
        self.asked += len(images)
        self._changed = True
        scores: Scores = self._judge(images).detach().float().cpu().numpy()
        return scores

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved > SAVE_EVERY_SECONDS:
            self.save()

    def _restore(self, path: Path) -> None:
        tensors, state = artifacts.load_state(path)
        if state.get("identity") != self._identity:
            raise BadArtifactError(
                f"{path} holds the answers of another detector or about other faces",
                hint="choose another output folder",
            )
        self._scores = {name: tensor.numpy() for name, tensor in tensors.items()}


def _gather(
    columns: Mapping[int, tuple[str, FaceDataset]], pairs: list[tuple[int, int]]
) -> torch.Tensor:
    """Returns the images of pairs (face, attack), in their order: uint8 (n, 3, S, S)."""
    attacks = np.array([attack for _, attack in pairs])
    rows = np.array([row for row, _ in pairs])
    order = np.concatenate([np.flatnonzero(attacks == number) for number in np.unique(attacks)])
    parts = [
        columns[number][1].batch(rows[attacks == number]) for number in np.unique(attacks).tolist()
    ]
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]
