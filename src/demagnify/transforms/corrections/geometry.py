"""Moving pixels without filtering them away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms.corrections import kernels
from demagnify.transforms.corrections.base import ACTIONS, Action


@ACTIONS.register("zoom")
@dataclass(frozen=True)
class Zoom(Action):
    """Cuts out the centre and enlarges it, bicubic, to the whole image.

    Crop and rescale, Guo et al., "Countering Adversarial Images using Input Transformations", ICLR
    2018. It moves the traces of super-resolution to lower frequencies than a detector expects.

    Attributes:
        factor: By how much it is enlarged, above 1, at most 4.
    """

    family = "zoom"
    factor: Annotated[float, Field(gt=1, le=4)] = 1.25

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the enlarged centre."""
        height, width = images.shape[-2:]
        rows, columns = (max(1, round(side / self.factor)) for side in (height, width))
        top, left = (height - rows) // 2, (width - columns) // 2
        centre = images[..., top : top + rows, left : left + columns]
        return kernels.enlarge(centre, height, width)


@ACTIONS.register("flip")
@dataclass(frozen=True)
class Flip(Action):
    """Mirrors the image left to right.

    The oldest test-time augmentation (Krizhevsky et al., NeurIPS 2012); it takes nothing away, so
    that what it changes in a verdict is the detector's own doubt.
    """

    family = "flip"

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the mirrored copy."""
        return images.flip(-1)
