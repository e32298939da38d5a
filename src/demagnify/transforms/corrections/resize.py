"""Shrinking and enlarging again, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms.corrections import kernels
from demagnify.transforms.corrections.base import ACTIONS, Action


@ACTIONS.register("down-up")
@dataclass(frozen=True)
class DownUp(Action):
    """Shrinks the image by area averaging and brings it back with bicubic interpolation.

    The resize defence of Xie et al., "Mitigating Adversarial Effects Through Randomization", ICLR
    2018, without the randomness; it is the attack's own degradation, so it puts attacked and
    untouched faces into the same, smoother, world.

    Attributes:
        scale: By how much it is shrunk, above 1, at most 8.
    """

    family = "down-up"
    scale: Annotated[float, Field(gt=1, le=8)] = 2.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy without its finest details."""
        height, width = images.shape[-2:]
        return kernels.enlarge(kernels.shrink(images, self.scale), height, width)
