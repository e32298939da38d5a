"""The same pixels, judged by another threshold.

An attack that turns real faces into fakes moves their logits up, one that hides fakes moves them
down; where an agent sees which of the two it has before it, moving the logit back is the whole
correction. It is what prior shift asks for (Saerens, Latinne & Decaestecker, "Adjusting the Outputs
of a Classifier to New a Priori Probabilities", Neural Computation 2002), decided per image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from demagnify.transforms.corrections.base import ACTIONS, Action


@dataclass(frozen=True)
class Shift(Action):
    """Leaves the image and moves the detector's logit.

    Attributes:
        logits: By how much, above 0.
        sign: Towards which verdict: 1 fake, -1 real.
    """

    sign: ClassVar[int]
    logits: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5

    @property
    def leaves_pixels(self) -> bool:
        """Always."""
        return True

    @property
    def shift(self) -> float:
        """The setting with its sign."""
        return self.sign * self.logits

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns `images` itself."""
        return images


@ACTIONS.register("shift-fake")
@dataclass(frozen=True)
class ShiftFake(Shift):
    """Moves the logit up, towards fake, as if the threshold were lower."""

    family = "shift-fake"
    sign = 1


@ACTIONS.register("shift-real")
@dataclass(frozen=True)
class ShiftReal(Shift):
    """Moves the logit down, towards real, as if the threshold were higher."""

    family = "shift-real"
    sign = -1
