"""The meaning of a network's outputs: every kind of head gives one logit, and higher means fake.

| head | the network gives | logit |
|---|---|---|
| `logit` | one number, higher means fake | as it is |
| `logit-real` | one number, higher means real | -x |
| `two-logit` | two numbers that go into a softmax | fake - real |
| `probability` | the probability of fake, 0 to 1 | log(p / (1 - p)) |
| `probability-real` | the probability of real, 0 to 1 | log((1 - p) / p) |
| `two-probability` | both probabilities, which add up to 1 | log(fake / real) |

A softmax over (real, fake) gives fake the probability sigmoid(fake - real), so that all of them
order images alike and 0 always means a probability of one half. `fake_index` or the outputs' names
tell which of two outputs is fake; it cannot be guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import torch
from pydantic import Field, model_validator

from demagnify.core.errors import BadConfigError
from demagnify.core.settings import Frozen
from demagnify.data.labels import FAKE, REAL, named_label

HeadName = Literal[
    "logit", "logit-real", "two-logit", "probability", "probability-real", "two-probability"
]

_TOLERANCE: Final = 1e-3
"""How far half precision may move a probability out of [0, 1]."""
_SUM_TOLERANCE: Final = 0.02

_ENOUGH_SCORES: Final = 8

_LEAST: Final = 2.0**-150
_MOST: Final = 1.0 - 2.0**-25
"""Probabilities 0 and 1 become these, half-way to the next float32, so that order is kept."""


class Head(Frozen):
    """How the numbers that a network gives for an image become a logit.

    Example:
        >>> Head(name="two-logit", fake_index=0).logits(torch.tensor([[3.0, 1.0]]), 1, "mine")
        tensor([2.])
    """

    name: HeadName = Field(default="logit", description="The kind of outputs")
    fake_index: Literal[0, 1] | None = Field(
        default=None, description="Which of two outputs is fake"
    )

    @model_validator(mode="after")
    def _knows_its_fake(self) -> Head:
        if (self.fake_index is None) is (self.outputs == 2):
            raise ValueError("fake_index belongs to heads with two outputs, and to each of them")
        return self

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for each image."""
        return 2 if self.name.startswith("two-") else 1

    @property
    def is_probability(self) -> bool:
        """Whether the network gives probabilities."""
        return "probability" in self.name

    def logits(self, output: torch.Tensor, count: int, detector: str) -> torch.Tensor:
        """Returns one logit per image, float32 (count,).

        Probabilities of exactly 0 and 1 become finite logits beyond those of all others.

        Args:
            output: The outputs of the network: (count,), (count, 1) or (count, 2).
            count: The number of images.
            detector: The detector's name, for messages.

        Raises:
            BadConfigError: If the outputs do not fit this head.
        """
        columns = self._columns(output, count, detector).float()
        if self.is_probability:
            _check_probabilities(columns, detector)
        return self.convert(columns)

    def convert(self, columns: torch.Tensor) -> torch.Tensor:
        """Returns logits, float32 (N,), of checked outputs, float32 (N, 1) or (N, 2)."""
        if self.is_probability:
            columns = columns.double()
        if self.fake_index is not None:
            fake, real = columns[:, self.fake_index], columns[:, 1 - self.fake_index]
            if self.is_probability:
                fake, real = (one.clamp(min=_LEAST).log() for one in (fake, real))
            return (fake - real).float()
        logits = columns[:, 0]
        if self.is_probability:
            logits = logits.clamp(_LEAST, _MOST)
            logits = logits.log() - (-logits).log1p()
        return (-logits if self.name.endswith("-real") else logits).float()

    def threshold(self, value: float | None) -> float:
        """Returns a threshold as a logit.

        Args:
            value: A score above it means fake: a probability of fake where the head gives
                probabilities, else a logit of fake. None for the middle.

        Raises:
            BadConfigError: If a probability is not between 0 and 1.
        """
        if value is None:
            return 0.0
        if not self.is_probability:
            return value
        if not 0.0 < value < 1.0:
            raise BadConfigError(
                f"threshold {value:g} is no probability between 0 and 1",
                hint=f"with head={self.name} it is the probability above which a face is fake",
            )
        return float(Head(name="probability").logits(torch.tensor([value]), 1, "").item())

    def _columns(self, output: torch.Tensor, count: int, detector: str) -> torch.Tensor:
        shape = tuple(output.shape)
        if not shape or shape[0] != count or output.numel() not in (count, count * 2):
            _refuse_shape(shape, count, detector)
        columns = output.reshape(count, -1)
        if columns.shape[1] == self.outputs:
            return columns
        if self.outputs == 1:
            raise BadConfigError(
                f"the detector {detector!r} gave two numbers per image, not one",
                hint="write head=two-logit and fake_index=1 if the second is fake (0 if the first "
                "is), or head=two-probability if they add up to 1",
            )
        raise BadConfigError(
            f"the detector {detector!r} gave one number per image, but head={self.name} needs two",
            hint="write head=logit, or head=probability if it lies between 0 and 1",
        )


def make_head(
    name: HeadName | None,
    *,
    fake_index: int | None = None,
    labels: Sequence[str] | None = None,
    detector: str,
) -> Head:
    """Returns the head that a user describes."""
    head = name or "logit"
    if not head.startswith("two-"):
        if fake_index is not None:
            raise BadConfigError(
                f"the detector {detector!r}: fake_index means nothing with head={head}",
                hint="write head=two-logit, or head=two-probability if the outputs add up to 1",
            )
        return Head(name=head)
    named = None if labels is None else _fake_among(labels)
    if labels is not None and named is None and fake_index is None:
        raise BadConfigError(
            f"the detector {detector!r} calls its outputs {', '.join(labels)}, not real and fake",
            hint="write labels=[real,fake] or labels=[fake,real], in their order",
        )
    chosen = named if fake_index is None else fake_index
    if chosen is None:
        raise BadConfigError(
            f"nothing says which of the two outputs of the detector {detector!r} is fake",
            hint="write fake_index=0 or fake_index=1, or labels=[real, fake] in their order",
        )
    if chosen not in (0, 1):
        raise BadConfigError(f"fake_index is 0 or 1, not {chosen}")
    if named is not None and named != chosen:
        raise BadConfigError(
            f"the detector {detector!r}: fake_index={chosen} is the output that is called "
            f"{(labels or [])[chosen]!r}",
            hint="take fake_index away, or write the right names: labels=[real,fake]",
        )
    return Head(name=head, fake_index=1 if chosen else 0)


def two_names(names: object) -> tuple[str, str] | None:
    """Returns the names of two outputs in their order, given as a list or as {0: ..., 1: ...}."""
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=str)]
    if isinstance(names, list | tuple) and len(names) == 2:
        return str(names[0]), str(names[1])
    return None


class ProbabilitySuspicion(NamedTuple):
    """Statistics of scores that may be probabilities though the head is one of logits."""

    seen: int = 0  # the number of scores, all of them between 0 and 1
    low: float = math.inf  # the lowest of them
    high: float = -math.inf  # the highest of them

    @property
    def confirmed(self) -> bool:
        """Whether enough scores were seen, and different ones."""
        return self.seen >= _ENOUGH_SCORES and self.low < self.high

    def extended(self, scores: torch.Tensor) -> ProbabilitySuspicion | None:
        """Returns the statistics with further scores; None once one is no probability."""
        low = min(self.low, scores.min().item())
        high = max(self.high, scores.max().item())
        if low < 0.0 or high > 1.0:
            return None
        return ProbabilitySuspicion(self.seen + scores.numel(), low, high)


def _fake_among(labels: Sequence[str]) -> int | None:
    """Which of two names means fake; None if they are not one of each."""
    found = [named_label(label) for label in labels]
    one_of_each = len(found) == 2 and set(found) == {REAL, FAKE}
    return found.index(FAKE) if one_of_each else None


def _refuse_shape(shape: tuple[int, ...], count: int, detector: str) -> None:
    raise BadConfigError(
        f"the detector {detector!r} returned shape {shape} for {count} images, not ({count},)",
        hint=f"a head of {shape[1]} classes (such as ImageNet's 1000) is no detector"
        if len(shape) == 2 and shape[0] == count
        else "return one number per image, or two (real and fake)",
    )


def _check_probabilities(columns: torch.Tensor, detector: str) -> None:
    outside = (columns < -_TOLERANCE) | (columns > 1 + _TOLERANCE)
    if outside.any():
        raise BadConfigError(
            f"the detector {detector!r} gave {columns[outside][0].item():g}, which is no "
            "probability",
            hint="write head=logit or head=two-logit: its last layer is not a sigmoid or softmax",
        )
    if columns.shape[1] == 2 and ((columns.sum(dim=1) - 1).abs() > _SUM_TOLERANCE).any():
        raise BadConfigError(
            f"the two outputs of the detector {detector!r} do not add up to 1",
            hint="write head=two-logit if they go into a softmax; of two sigmoids give one",
        )
