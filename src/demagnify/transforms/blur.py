"""Smoothing: what takes fine traces away, of forgery and of super-resolution alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Rngs, Transform


@TRANSFORMS.register("median")
@dataclass(frozen=True)
class Median(Transform):
    """Median of a square neighbourhood, per channel, borders repeated.

    Xu, Evans & Qi, "Feature Squeezing", NDSS 2018.

    Attributes:
        side: Of the neighbourhood in pixels, 3 or 5.
    """

    family = "median"
    side: Literal[3, 5] = 3

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the filtered copy."""
        return kernels.median(images, self.side)


@TRANSFORMS.register("gaussian-blur")
@dataclass(frozen=True)
class GaussianBlur(Transform):
    """Gaussian blur, the kernel cut off beyond two sigmas (5x5 at sigma 1).

    Guo et al., "Countering Adversarial Images using Input Transformations", ICLR 2018, is the
    survey of such low-pass corrections.

    Attributes:
        sigma: Standard deviation in pixels, above 0, at most 10.
    """

    family = "gaussian-blur"
    differentiable = True
    sigma: Annotated[float, Field(gt=0, le=5)] = 1.0

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the blurred copy."""
        return kernels.gaussian(images, self.sigma)

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the blurred images, with gradients."""
        return kernels.gaussian_on_device(images, self.sigma)


@TRANSFORMS.register("bilateral")
@dataclass(frozen=True)
class Bilateral(Transform):
    """Smooths within 5x5 pixels but not across edges; runs on the CPU.

    Tomasi & Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998; as a defence in
    Xie et al., "Feature Denoising for Improving Adversarial Robustness", CVPR 2019.

    Attributes:
        levels: Standard deviation in grey levels: differences well above it are edges.
        pixels: Standard deviation in pixels.
    """

    family = "bilateral"
    levels: Annotated[float, Field(gt=0, le=255)] = 25.0
    pixels: Annotated[float, Field(gt=0, le=10)] = 2.0

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the smoothed copy."""
        return kernels.bilateral(images, levels=self.levels, pixels=self.pixels)
