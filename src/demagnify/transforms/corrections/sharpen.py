"""Sharpening: what brings back, or exaggerates, the contrast of fine details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms.corrections import kernels
from demagnify.transforms.corrections.base import ACTIONS, Action


@ACTIONS.register("unsharp")
@dataclass(frozen=True)
class Unsharp(Action):
    """Unsharp masking: adds a multiple of what a Gaussian blur of sigma 1 takes away.

    The textbook filter (Gonzalez & Woods, "Digital Image Processing"). It lifts the high
    frequencies that bicubic enlargement and networks trained on squared error leave too weak.

    Attributes:
        amount: Of what is added, above 0, at most 10.
    """

    family = "unsharp"
    amount: Annotated[float, Field(gt=0, le=10)] = 1.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the sharpened copy."""
        values = images.float()
        detail = values - kernels.gaussian(images, 1.0)
        return kernels.to_uint8(values.add_(detail, alpha=self.amount))
