"""Networks that draw noise in each call, such as GFPGAN and AuraSR."""

from __future__ import annotations

import torch
from torch import nn


class Seeded(nn.Module):
    """Calls a network for each image alone, with noise that is drawn anew from the same seed.

    An image has one result, whatever stands beside it and how often it is asked for; torch's
    global generator is left as it was.

    Args:
        module: Maps images (1, 3, H, W) to images, with noise from the global generator.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to what the module gives."""
        return torch.cat([self._call(image[None]) for image in images])

    def _call(self, image: torch.Tensor) -> torch.Tensor:
        devices = [image.device] if image.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            result: torch.Tensor = self.module(image)
        return result
