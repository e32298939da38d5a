"""What a defence, or a baseline, says about the faces of a reward table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from demagnify.scores import LogitTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Verdicts on N faces.

    Attributes:
        logits: float32 (N,); a face is called fake where its logit is above `threshold`.
        actions: int64 (N,), what was done to each face; None where no single action was chosen.
        threshold: What the logits are compared with.
        unsure: bool (N,), where the verdict is withheld; None where one is always given.
        doubt: float32 (N,), the estimated chance that the verdict is wrong; None if not known.
        calls: int64 (N,), how often the detector was asked about each face; None if not counted.
    """

    logits: NDArray[np.float32]
    actions: NDArray[np.int64] | None
    threshold: float
    unsure: NDArray[np.bool_] | None = None
    doubt: NDArray[np.float32] | None = None
    calls: NDArray[np.int64] | None = None

    @property
    def fake(self) -> NDArray[np.bool_]:
        """Whether each face is called fake, bool (N,); also where the verdict is withheld."""
        called: NDArray[np.bool_] = self.logits > np.float32(self.threshold)
        return called


class Defense(ABC):
    """A way of coming to verdicts, judged on the logits of a filled reward table.

    Attributes:
        name: What tables call it.
    """

    name: str

    @abstractmethod
    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:
        """Judges every face of `table`.

        Args:
            table: The faces to judge; filled.
            states: float32 (N, S), what the agent sees of each face; None where the defence
                looks at no image. A learned defence encodes the faces itself when it is missing.
        """
