"""Networks that restore one face of one size, such as GFPGAN and RestoreFormer."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from demagnify.attacks.resampling import enlarge

FACE_SIDE: Final = 512
"""Side of the faces that they are trained on."""


class FaceRestorer(nn.Module):
    """Shows a network each face at 512x512 and gives the result the face's own size.

    GFPGAN draws noise in each call: it is drawn anew from the same seed for every face, so that
    a face has one result whatever stands beside it.

    Args:
        module: Maps images (1, 3, 512, 512) in [0, 1] to the same.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps faces (N, 3, H, W) in [0, 1] to faces of the same size."""
        height, width = images.shape[-2:]
        fitted = enlarge(images, FACE_SIDE, FACE_SIDE).clamp(0, 1)
        restored = torch.cat([self._restore(face[None]) for face in fitted])
        return enlarge(restored.float(), height, width)

    def _restore(self, face: torch.Tensor) -> torch.Tensor:
        devices = [face.device] if face.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            restored: torch.Tensor = self.module(face)
        return restored
