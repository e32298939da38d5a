"""The training data of baselines: the selection split under every seen attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demagnify.data.dataset import FaceDataset, PixelSource
from demagnify.laundering.conditions import CLEAN
from demagnify.scores import Integers, LogitTable


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
        names = [name for name, table in tables.items() for _ in table.labels]
        return cls(LogitTable.merge(list(tables.values())), np.array(names))

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
        table = self.table.with_faces(part, self.table.logits[indices])
        return Pool(table, self.conditions[indices])

    def rewarded_as(self, order: Integers) -> LogitTable:
        """Returns a table in which each face has the logits and the label of another one."""
        labels = self.table.labels[order]
        own = self.table.faces
        faces = FaceDataset(own.images, labels, own.groups, own.names)
        return self.table.with_faces(faces, self.table.logits[order])


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
