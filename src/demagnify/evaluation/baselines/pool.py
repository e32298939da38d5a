"""The training data of baselines: the selection split under every seen attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demagnify.laundering.config import CLEAN
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
        part = self.table.faces.subset(indices, copy=False)
        table = self.table.with_faces(part, self.table.logits[indices])
        return Pool(table, self.conditions[indices])
