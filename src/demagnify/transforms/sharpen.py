"""Sharpening brings back, or exaggerates, the contrast of fine details."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform

_MIDDLE: Final = 128
"""Grey level of a place without any detail."""


@TRANSFORMS.register("unsharp")
@dataclass(frozen=True)
class Unsharp(Transform):
    """Unsharp masking: adds a multiple of the detail that a Gaussian blur of sigma 1 removes.

    The textbook filter (Gonzalez & Woods, "Digital Image Processing"). It lifts the high
    frequencies that bicubic enlargement and networks trained on squared error leave too weak.

    Attributes:
        amount: How much of the detail is added, above 0, at most 10.
    """

    family = "unsharp"
    differentiable = True
    amount: Annotated[float, Field(gt=0, le=10)] = 1.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the sharpened copy."""
        values = images.float()
        detail = values - kernels.gaussian(images, 1.0)
        return kernels.finish(torch.add(values, detail, alpha=self.amount), images)


@TRANSFORMS.register("residual")
@dataclass(frozen=True)
class Residual(Transform):
    """Shows only the detail that a Gaussian blur of sigma 1 removes, amplified, on middle grey.

    The noise residual of steganalysis (Fridrich & Kodovsky, "Rich Models for Steganalysis of
    Digital Images", IEEE TIFS 2012). Detectors never saw such images in training, and their logits
    differ from network to network.

    Attributes:
        gain: Factor of the amplification, above 0, at most 64.
    """

    family = "residual"
    differentiable = True
    gain: Annotated[float, Field(gt=0, le=64)] = 4.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the amplified residual."""
        detail = images.float() - kernels.gaussian(images, 1.0)
        middle = _MIDDLE * kernels.grey_level(images)
        return kernels.finish(detail.mul(self.gain).add_(middle), images)
