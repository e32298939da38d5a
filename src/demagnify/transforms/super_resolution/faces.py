"""Networks that restore one face of one size, such as GFPGAN and RestoreFormer."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from demagnify.transforms.attacks.resampling import enlarge

FACE_SIDE: Final = 512
"""Side of the faces that they are trained on."""


class FaceRestorer(nn.Module):
    """Shows a network each face at 512x512 and gives the result the face's own size.

    Args:
        module: Maps images (N, 3, 512, 512) in [0, 1] to the same.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps faces (N, 3, H, W) in [0, 1] to faces of the same size."""
        height, width = images.shape[-2:]
        fitted = enlarge(images, FACE_SIDE, FACE_SIDE).clamp(0, 1)
        return enlarge(self.module(fitted).float(), height, width)
