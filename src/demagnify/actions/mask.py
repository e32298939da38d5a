"""The paper's corrective transformation."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from demagnify.actions.base import ACTIONS, Action


@ACTIONS.register("mask-center")
@dataclass(frozen=True)
class MaskCenter(Action):
    """Sets a square in the centre of the image to zero, in all channels.

    The square's side is a share of the image's shorter side, so that it covers the same part of a
    face at any size: 64x64 pixels at 224x224, rows and columns 80 to 143 (the demagnification
    paper, section 3.2.3).

    Attributes:
        share: Side of the square as a share of the shorter image side, 0 to 1.
    """

    name = "mask-center"
    share: float = 64 / 224

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns a copy with the square set to zero."""
        height, width = images.shape[-2:]
        side = round(self.share * min(height, width))
        top, left = (height - side) // 2, (width - side) // 2
        masked = images.clone()
        masked[:, :, top : top + side, left : left + side] = 0
        return masked
