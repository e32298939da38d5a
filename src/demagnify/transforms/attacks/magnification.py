"""The geometry of adversarial magnification, whatever enlarges: a network or a kernel.

Coccomini, Caldelli, Amato, Falchi and Gennaro, "Adversarial Magnification to Deceive Deepfake
Detection through Super Resolution" (arXiv 2407.02670).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

import torch

from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.attacks.resampling import (
    area_resize,
    check_size,
    enlarge,
    shrink,
    to_float,
    to_uint8,
)
from demagnify.transforms.attacks.spec import Variant

FITTED_SIDE: Final = 224
"""Side to which "fit-224" resizes first: what the published detectors take."""

PIXELS_AT_ONCE: Final = 2**19
"""Pixels of the result that are computed in one call: ten faces of 224x224."""


class Magnification(Attack):
    """Shrinks images, enlarges them again, and gives them their own size back.

    Subclasses write `magnify` and `fingerprint`. Where the enlarged image has not the size of the
    original, because the sides are no multiples of the scale or because images are shrunk by
    another factor than they are enlarged by, it is resized with a bicubic kernel.

    Args:
        name: What the attack is called in tables.
        scale: By how much `magnify` enlarges.
        shrink: By how much images are shrunk first, by area averaging; the scale if None.
        variant: In which order images are resized; see `Variant`.
    """

    def __init__(
        self,
        name: str,
        *,
        scale: float,
        shrink: float | None = None,
        variant: Variant = "as-found",
    ) -> None:
        super().__init__(name)
        self.scale = scale
        self.shrink = scale if shrink is None else shrink
        self.variant: Variant = variant

    @abstractmethod
    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a uint8 batch (N, 3, H, W) to floats in [0, 1], sides `scale` times as long."""

    @property
    def geometry(self) -> str:
        """What `fingerprint` says of the resizing; empty for the usual way."""
        shrink = "" if self.shrink == self.scale else f" k{self.shrink:g}"
        return shrink + ("" if self.variant == "as-found" else f" {self.variant}")

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the rebuilt images, computed in parts so that memory stays bounded."""
        if self.variant == "fit-224":
            height, width = images.shape[-2:]
            rebuilt = self._in_parts(resize(images, FITTED_SIDE, FITTED_SIDE))
            return resize(rebuilt, height, width)
        return self._in_parts(images)

    def _in_parts(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        grows = self.scale if self.variant == "up-then-down" else self.scale / self.shrink
        if self.variant != "up-then-down":
            check_size(images, self.shrink)
        part = max(1, int(PIXELS_AT_ONCE // (height * width * grows**2)))
        return torch.cat([self._rebuild(batch) for batch in torch.split(images, part)])

    def _rebuild(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        if self.variant == "up-then-down":
            rebuilt = area_resize(self.magnify(images), height, width)
        else:
            rebuilt = enlarge(self.magnify(shrink(images, self.shrink)), height, width)
        return to_uint8(rebuilt).contiguous().to(images.device)


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes a uint8 batch to (N, 3, height, width) with Pillow's antialiased bicubic kernel."""
    return to_uint8(enlarge(to_float(images), height, width))
