"""Sharpening: what brings back, or exaggerates, the contrast of fine details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Rngs, Transform


@TRANSFORMS.register("unsharp")
@dataclass(frozen=True)
class Unsharp(Transform):
    """Unsharp masking: adds a multiple of what a Gaussian blur of sigma 1 takes away.

    The textbook filter (Gonzalez & Woods, "Digital Image Processing"). It lifts the high
    frequencies that bicubic enlargement and networks trained on squared error leave too weak.

    Attributes:
        amount: Of what is added, above 0, at most 10.
    """

    family = "unsharp"
    differentiable = True
    amount: Annotated[float, Field(gt=0, le=10)] = 1.0

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the sharpened copy."""
        values = images.float()
        detail = values - kernels.gaussian(images, 1.0)
        return kernels.to_uint8(values.add_(detail, alpha=self.amount))

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the sharpened images, with gradients."""
        detail = images - kernels.gaussian_on_device(images, 1.0)
        return (images + self.amount * detail).clamp(0, 1)
