"""The action that every set begins with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from demagnify.transforms.corrections.base import ACTIONS, LEAVE, Action


@ACTIONS.register(LEAVE)
@dataclass(frozen=True)
class Leave(Action):
    """Leaves the image as it is."""

    family = LEAVE

    @property
    def leaves_pixels(self) -> bool:
        """Always."""
        return True

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns `images` itself."""
        return images
