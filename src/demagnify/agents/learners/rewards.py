"""What a learner is paid for: the paper's verdict, or something softer."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from demagnify.scores import LogitTable, rewards_of

Floats = NDArray[np.float32]


class RewardConfig(BaseModel):
    """What an answer of the detector is worth; the defaults are the paper's +1 and -1.

    The soft kinds tell a near miss from a clear one. With the margin m, how far the logit lies on
    the right side of the threshold (negative on the wrong one), and the temperature T:

    * "verdict": +1 where m > 0, else -1 (Kumar et al., the paper);
    * "margin": tanh(m / T), between -1 and 1;
    * "likelihood": 1 + log2 sigmoid(m / T), the bits won over tossing a coin: 1 at best, 0 at the
      threshold, and never below `floor`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["verdict", "margin", "likelihood"] = Field(
        default="verdict", description="What is paid"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="Of the soft kinds: the larger, the softer"
    )
    floor: float = Field(default=-3.0, lt=0, description="The least that likelihood pays")
    relative: bool = Field(
        default=False,
        description="Pay the gain over leaving the image as it is, so that leaving is worth 0",
    )
    harm: float = Field(
        default=0.0,
        ge=0,
        description="How much heavier than a gain it weighs to do worse than leaving a clean "
        "face as it is; any face where nobody says which are clean",
    )

    @property
    def pays_verdicts(self) -> bool:
        """Whether it is the paper's reward, +1 and -1 and nothing else."""
        return self.kind == "verdict" and not self.compares

    @property
    def compares(self) -> bool:
        """Whether the answer to leaving must be known to tell what another is worth."""
        return self.relative or self.harm > 0

    def of(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        threshold: float,
        *,
        leave: ArrayLike | None = None,
        clean: ArrayLike = True,
    ) -> Floats:
        """Returns what answers are worth, float32 of the arguments' common shape.

        Args:
            logits: The detector's answers.
            labels: 0 real, 1 fake.
            threshold: The detector's.
            leave: Its answers to the same faces left as they are; needed if `compares`.
            clean: Whether no attack has touched the face.

        Raises:
            ValueError: If `identity` is needed and missing.
        """
        worth = self._worth(logits, labels, threshold)
        if not self.compares:
            return worth
        if leave is None:
            raise ValueError("the answers to leaving are needed")
        left = self._worth(leave, labels, threshold)
        gain = worth - left
        gain = np.where(np.asarray(clean) & (gain < 0), np.float32(1 + self.harm) * gain, gain)
        return gain if self.relative else left + gain

    def of_table(self, table: LogitTable, clean: NDArray[np.bool_] | None = None) -> Floats:
        """Returns what every action on every face of a filled table is worth, float32 (N, A).

        Args:
            table: The table.
            clean: (N,), which faces no attack has touched; None means all.
        """
        if not table.filled:
            raise ValueError("not every answer is known; call fill() first")
        return self.of(
            table.logits,
            table.labels[:, None],
            table.threshold,
            leave=table.logits[:, :1],
            clean=True if clean is None else clean[:, None],
        )

    def _worth(self, logits: ArrayLike, labels: ArrayLike, threshold: float) -> Floats:
        if self.kind == "verdict":
            return rewards_of(logits, labels, threshold)
        above = np.asarray(logits, dtype=np.float32) - np.float32(threshold)
        margin = np.where(np.asarray(labels) == 1, above, -above) / np.float32(self.temperature)
        if self.kind == "margin":
            return np.tanh(margin)
        bits = 1 - np.logaddexp(np.float32(0), -margin) / np.float32(np.log(2))
        return np.maximum(bits, np.float32(self.floor))
