"""A correction with a setting: "toy-posterize", "toy-posterize-4"."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms import Transform


@dataclass(frozen=True)
class Posterize(Transform):
    """Rounds each channel down to a few levels.

    Attributes:
        levels: Number of levels.
    """

    family = "toy-posterize"
    uses = ("correction", "attack")
    levels: Annotated[int, Field(ge=2, le=128)] = 8

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        step = 256 // self.levels
        return images // step * step
