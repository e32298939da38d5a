"""Attacks without a network: what they do to a detector is not super-resolution's work."""

from __future__ import annotations

import torch

from demagnify.attacks.base import Attack
from demagnify.attacks.resampling import check_size, enlarge, shrink, to_float, to_uint8


class NoAttack(Attack):
    """Leaves every image as it is; the row that all others are compared with."""

    def __init__(self) -> None:
        super().__init__("none")

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns a copy."""
        return images.clone()

    def fingerprint(self) -> str:
        """Returns "none"."""
        return "none"


class BicubicAttack(Attack):
    """Shrinks by area averaging and enlarges with a bicubic kernel.

    The same degradation as in `SuperResolutionAttack`, so that the difference between both is
    the network's.

    Args:
        scale: By how much the images are shrunk, 2 or more.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(f"bicubic-x{scale}")
        self.scale = scale

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images with the resolution of their shrunk copies."""
        check_size(images, self.scale)
        height, width = images.shape[-2:]
        return to_uint8(enlarge(to_float(shrink(images, self.scale)), height, width))

    def fingerprint(self) -> str:
        """Returns the name and the version of the procedure."""
        return f"{self.name} v1"
