"""The training data of baselines: the selection split under every seen attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.data.dataset import FaceDataset, PixelSource
from demagnify.laundering.conditions import CLEAN
from demagnify.scores import Floats, Integers, LogitTable


@dataclass(frozen=True, slots=True)
class Pool:
    """Faces under several conditions as one filled logit table.

    Attributes:
        table: The faces of all conditions, one after the other.
        conditions: str (N,), the attack on each, "none" for clean ones.
    """

    table: LogitTable
    conditions: NDArray[np.str_]

    @classmethod
    def of(cls, tables: Mapping[str, LogitTable]) -> Pool:
        """Puts the conditions of one split together; no pixel is copied."""
        faces = FaceDataset.concatenate([table.faces for table in tables.values()])
        labels = np.concatenate([table.labels for table in tables.values()])
        logits = np.concatenate([table.logits for table in tables.values()])
        names = [name for name, table in tables.items() for _ in table.labels]
        like = tables[CLEAN]
        return cls(_table(like, _labelled(faces, labels), logits), np.array(names))

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """Which faces are under an attack, bool (N,)."""
        found: NDArray[np.bool_] = self.conditions != CLEAN
        return found

    @property
    def both_classes(self) -> bool:
        """Whether there are real and fake faces."""
        return len(np.unique(self.table.labels)) > 1

    def rows(self, indices: Integers) -> Pool:
        """Returns the faces at `indices`; their pixels are read when they are asked for."""
        faces = self.table.faces
        part = FaceDataset(
            _Rows(faces.images, indices),
            self.table.labels[indices],
            faces.groups[indices],
            [faces.names[index] for index in indices],
        )
        logits = self.table.logits[indices]
        return Pool(_table(self.table, part, logits), self.conditions[indices])

    def rewarded_as(self, order: Integers) -> LogitTable:
        """Returns a table in which each face has the logits and the label of another one."""
        labels = self.table.labels[order]
        faces = _labelled(self.table.faces, labels)
        return _table(self.table, faces, self.table.logits[order])


class _Rows:
    """Some rows of pixels, in any order, without a copy of them."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, pixels: PixelSource, indices: Integers) -> None:
        self._pixels = pixels
        self._indices = indices

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._indices), *self._pixels.shape[1:])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: slice | Integers, /) -> NDArray[np.uint8]:
        return self._pixels[self._indices[key]]


def _labelled(faces: FaceDataset, labels: Integers) -> FaceDataset:
    return FaceDataset(faces.images, labels, faces.groups, faces.names)


def _table(like: LogitTable, faces: FaceDataset, logits: Floats) -> LogitTable:
    table = LogitTable(faces, like.detector, like.actions, batch_size=like.batch_size)
    table.adopt(torch.from_numpy(logits))
    return table
