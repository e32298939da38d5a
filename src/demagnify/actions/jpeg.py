"""JPEG compression as a corrective transformation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchvision.io import ImageReadMode, decode_jpeg, encode_jpeg

from demagnify.actions.base import ACTIONS, Action


@ACTIONS.register("jpeg")
@dataclass(frozen=True)
class Jpeg(Action):
    """Compresses to JPEG (4:2:0) and decodes again; runs on the CPU.

    Das et al., "Shield: Fast, Practical Defense and Vaccination for Deep Learning using JPEG
    Compression", KDD 2018.

    Attributes:
        quality: 1 to 100.
    """

    name = "jpeg"
    quality: int = 75

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the compressed copy."""
        files = [encode_jpeg(image, quality=self.quality) for image in images.cpu().contiguous()]
        decoded = torch.stack([decode_jpeg(file, mode=ImageReadMode.RGB) for file in files])
        return decoded.to(images.device)
