"""Rewards: functions of logits, labels and the threshold."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from demagnify.core.settings import Frozen
from demagnify.scores import LogitTable

Floats = NDArray[np.float32]


def verdict_rewards(
    logits: ArrayLike, labels: ArrayLike, threshold: float, *, adversarial: bool = False
) -> Floats:
    """Returns the paper's rewards: +1 for a right verdict and -1 for a wrong one, float32.

    Args:
        logits: The detector's logits; a logit above `threshold` means fake.
        labels: 0 real, 1 fake; broadcast against `logits`.
        threshold: The detector's threshold.
        adversarial: Whether wrong verdicts earn +1 and right ones -1.

    Example:
        >>> verdict_rewards([2.0, -1.0], [1, 1], 0.0)
        array([ 1., -1.], dtype=float32)
    """
    fake = np.asarray(logits) > np.float32(threshold)
    right = fake == (np.asarray(labels) == 1)
    return np.where(right != adversarial, np.float32(1.0), np.float32(-1.0))


class RewardConfig(Frozen):
    """The reward of a logit; the defaults are the paper's +1 and -1.

    The soft kinds distinguish a near miss from a clear one. With the margin m (the distance of
    the logit to the threshold, negative on the wrong side) and the temperature T:

    * "verdict": +1 where m > 0, else -1 (Kumar et al., the paper);
    * "margin": tanh(m / T), between -1 and 1;
    * "likelihood": 1 + log2 sigmoid(m / T), the bits won over tossing a coin: 1 at best, 0 at the
      threshold, and never below `floor`.
    """

    kind: Literal["verdict", "margin", "likelihood"] = Field(
        default="verdict", description="The kind of reward"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="Of the soft kinds: the larger, the softer"
    )
    floor: float = Field(default=-3.0, lt=0, description="The least reward of likelihood")
    relative: bool = Field(
        default=False,
        description="Reward the gain over the identity, so that the identity earns 0",
    )
    harm: float = Field(
        default=0.0,
        ge=0,
        description="How much heavier than a gain a loss against the identity counts on a clean "
        "face; on any face where clean ones are not known",
    )
    adversarial: bool = Field(
        default=False, description="Reward wrong verdicts instead of right ones"
    )

    @property
    def compares(self) -> bool:
        """Whether the logit of the original face is needed too."""
        return self.relative or self.harm > 0

    def of(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        threshold: float,
        *,
        original: ArrayLike | None = None,
        clean: ArrayLike = True,
    ) -> Floats:
        """Returns the rewards, float32 of the arguments' common shape.

        Args:
            logits: The detector's logits.
            labels: 0 real, 1 fake.
            threshold: The detector's threshold.
            original: The logits of the original faces; needed if `compares`.
            clean: Whether the face is clean, not attacked.

        Raises:
            ValueError: If `original` is needed and missing.
        """
        worth = self._value(logits, labels, threshold)
        if not self.compares:
            return worth
        if original is None:
            raise ValueError("the logits of the original faces are needed")
        before = self._value(original, labels, threshold)
        gain = worth - before
        gain = np.where(np.asarray(clean) & (gain < 0), np.float32(1 + self.harm) * gain, gain)
        return gain if self.relative else before + gain

    def of_faces(
        self,
        table: LogitTable,
        faces: NDArray[np.int64],
        logits: Floats,
        clean: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Returns the rewards of one logit for each of some faces of a table, float32 (n,).

        Args:
            table: The table.
            faces: int64 (n,), numbers of its faces.
            logits: float32 (n,), the logits on which the verdicts rest.
            clean: bool (N,), which faces of the table are clean; None means all.
        """
        return self.of(
            logits,
            table.labels[faces],
            table.threshold,
            original=table.lookup(faces, np.zeros_like(faces)) if self.compares else None,
            clean=True if clean is None else clean[faces],
        )

    def of_table(self, table: LogitTable, clean: NDArray[np.bool_] | None = None) -> Floats:
        """Returns the reward of every action on every face of a table, float32 (N, A).

        Args:
            table: The table; filled.
            clean: (N,), which faces are clean; None means all.

        Raises:
            ValueError: If the table is not filled.
        """
        if not table.filled:
            raise ValueError("not every logit is known; call fill() first")
        return self.of(
            table.logits,
            table.labels[:, None],
            table.threshold,
            original=table.logits[:, :1],
            clean=True if clean is None else clean[:, None],
        )

    def _value(self, logits: ArrayLike, labels: ArrayLike, threshold: float) -> Floats:
        """Returns the rewards without comparison to the original face."""
        if self.kind == "verdict":
            return verdict_rewards(logits, labels, threshold, adversarial=self.adversarial)
        above = np.asarray(logits, dtype=np.float32) - np.float32(threshold)
        upwards = (np.asarray(labels) == 1) != self.adversarial
        margin = np.where(upwards, above, -above) / np.float32(self.temperature)
        if self.kind == "margin":
            return np.tanh(margin)
        bits = 1 - np.logaddexp(np.float32(0), -margin) / np.float32(np.log(2))
        return np.maximum(bits, np.float32(self.floor))
