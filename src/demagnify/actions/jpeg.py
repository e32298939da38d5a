"""JPEG compression as a corrective transformation."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from demagnify.actions.base import ACTIONS, Action
from demagnify.images import decode, encode_jpeg, from_batch, to_batch


@ACTIONS.register("jpeg")
@dataclass(frozen=True)
class Jpeg(Action):
    """Compresses to JPEG (4:2:0) and decodes again; runs on the CPU.

    Das et al., "Shield: Fast, Practical Defense and Vaccination for Deep Learning using JPEG
    Compression", KDD 2018.

    Attributes:
        quality: 1 to 95.
    """

    name = "jpeg"
    quality: int = 75

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the compressed copy."""
        files = [encode_jpeg(pixels, quality=self.quality) for pixels in from_batch(images)]
        return to_batch([decode(file) for file in files]).to(images.device)
