"""Moving pixels: a closer view, a mirrored view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform


@TRANSFORMS.register("zoom")
@dataclass(frozen=True)
class Zoom(Transform):
    """Cuts out the centre and enlarges it, bicubic, to the whole image.

    Crop and rescale, Guo et al., "Countering Adversarial Images using Input Transformations", ICLR
    2018. It moves the traces of super-resolution to lower frequencies than a detector expects.

    Attributes:
        factor: Factor of the enlargement, above 1, at most 4.
    """

    family = "zoom"
    differentiable = True
    factor: Annotated[float, Field(gt=1, le=4)] = 1.25

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the enlarged centre."""
        height, width = images.shape[-2:]
        rows, columns = (max(1, round(side / self.factor)) for side in (height, width))
        top, left = (height - rows) // 2, (width - columns) // 2
        centre = images[..., top : top + rows, left : left + columns]
        return kernels.enlarge(centre, height, width)


@TRANSFORMS.register("flip")
@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors the image left to right.

    The oldest test-time augmentation (Krizhevsky et al., NeurIPS 2012). It removes nothing: where
    it changes a verdict, the detector was uncertain.
    """

    family = "flip"
    differentiable = True

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the mirrored copy."""
        return images.flip(-1)
