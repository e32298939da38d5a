"""Networks that see one image at a time, and those that draw noise, as GFPGAN and AuraSR do."""

from __future__ import annotations

import torch
from torch import nn


class Alone(nn.Module):
    """Calls a network for each image alone, where its code mixes up or refuses a batch.

    Args:
        module: Maps images (1, 3, H, W) to images.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to what the module gives."""
        return torch.cat([self._call(image[None]) for image in images])

    def _call(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.module(image)
        return result


class Seeded(Alone):
    """The same, with noise that is drawn anew from the same seed for each image.

    An image has one result, whatever stands beside it and how often it is asked for; torch's
    global generator is left as it was.
    """

    def _call(self, image: torch.Tensor) -> torch.Tensor:
        devices = [image.device] if image.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            return super()._call(image)
