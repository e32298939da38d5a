"""Moving pixels without filtering them away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Rngs, Transform


@TRANSFORMS.register("zoom")
@dataclass(frozen=True)
class Zoom(Transform):
    """Cuts out the centre and enlarges it, bicubic, to the whole image.

    Crop and rescale, Guo et al., "Countering Adversarial Images using Input Transformations", ICLR
    2018. It moves the traces of super-resolution to lower frequencies than a detector expects.

    Attributes:
        factor: By how much it is enlarged, above 1, at most 4.
    """

    family = "zoom"
    differentiable = True
    factor: Annotated[float, Field(gt=1, le=4)] = 1.25

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the enlarged centre."""
        return kernels.enlarge(self._centre(images), *images.shape[-2:])

    def _centre(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        rows, columns = (max(1, round(side / self.factor)) for side in (height, width))
        top, left = (height - rows) // 2, (width - columns) // 2
        return images[..., top : top + rows, left : left + columns]

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the enlarged centre, with gradients."""
        height, width = images.shape[-2:]
        return functional.interpolate(self._centre(images), (height, width), mode="bicubic").clamp(
            0, 1
        )


@TRANSFORMS.register("flip")
@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors the image left to right.

    The oldest test-time augmentation (Krizhevsky et al., NeurIPS 2012); it takes nothing away, so
    that what it changes in a verdict is the detector's own doubt.
    """

    family = "flip"
    differentiable = True

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the mirrored copy."""
        return images.flip(-1)

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the mirrored images, with gradients."""
        return images.flip(-1)
