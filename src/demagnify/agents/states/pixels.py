"""States that are the picture itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from demagnify.agents.states.base import STATES, DetectorOutput, StateEncoder


@dataclass(frozen=True)
class PixelState(StateEncoder):
    """A state of brightnesses, 0 to 1."""

    low = 0.0
    high = 1.0


@STATES.register("flat-image")
@dataclass(frozen=True)
class FlatImage(PixelState):
    """All pixels in a row, 0 to 1: the paper's state, 150,528 numbers at 224x224."""

    family = "flat-image"

    def size(self, image_size: int) -> int:
        """Returns three numbers per pixel."""
        return 3 * image_size * image_size

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:  # noqa: ARG002
        """Returns float32 (N, 3 x H x W): all reds row by row, then greens, then blues."""
        return images.flatten(1).float().div_(255.0)


@STATES.register("thumbnail")
@dataclass(frozen=True)
class Thumbnail(PixelState):
    """The image shrunk by area averaging, 0 to 1: what is where, without the fine details.

    Attributes:
        side: Side of the thumbnail in pixels.
    """

    family = "thumbnail"
    side: Annotated[int, Field(ge=1)] = 32

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns three numbers per thumbnail pixel, whatever the image's size."""
        return 3 * self.side * self.side

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:  # noqa: ARG002
        """Returns float32 (N, 3 x side x side)."""
        small = functional.interpolate(images.float(), size=(self.side, self.side), mode="area")
        return small.flatten(1).div_(255.0)
