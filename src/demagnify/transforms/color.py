"""Fewer grey levels, fewer colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform


@TRANSFORMS.register("bits")
@dataclass(frozen=True)
class Bits(Transform):
    """Reduces each channel to fewer bits; the levels are spread evenly over 0 to 255.

    Xu, Evans & Qi, "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks",
    NDSS 2018.

    Attributes:
        depth: Bits that are left, 1 to 7.
    """

    family = "bits"
    depth: Annotated[int, Field(ge=1, le=7)] = 5

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy with fewer levels."""
        steps = 2**self.depth - 1
        levels = images.float().mul_(steps / 255).round_()
        return kernels.finish(levels.mul_(255 / steps), images)


@TRANSFORMS.register("grey")
@dataclass(frozen=True)
class Grey(Transform):
    """Removes the colour (luma of ITU-R BT.601); an image without colour stays as it is.

    Super-resolution networks and JPEG treat colour otherwise than brightness; both keep brightness
    best.
    """

    family = "grey"
    differentiable = True

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the grey copy, three equal channels."""
        from torchvision.transforms.v2.functional import rgb_to_grayscale

        grey: torch.Tensor = rgb_to_grayscale(images, num_output_channels=3)
        return grey.contiguous()
