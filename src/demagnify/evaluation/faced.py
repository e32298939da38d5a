"""What the judges face: the faces of one split under one attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from demagnify.scores import LogitTable


@dataclass(frozen=True, slots=True)
class Faced:
    """The faces of one split under one attack.

    Attributes:
        table: The detector's logit for every face after every action; filled.
        states: float32 (N, S), what the agent sees of each face; None lets each learned defence
            encode the faces itself.
    """

    table: LogitTable
    states: torch.Tensor | None = None


Faceds = Mapping[str, Mapping[str, Faced]]
"""Split name -> attack name -> what is faced there."""
