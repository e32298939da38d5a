"""Smoothing removes fine traces, of forgery and of super-resolution alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform


@TRANSFORMS.register("median")
@dataclass(frozen=True)
class Median(Transform):
    """Takes the median of a square neighbourhood, per channel; borders are repeated.

    Xu, Evans & Qi, "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks",
    NDSS 2018.

    Attributes:
        side: Side of the neighbourhood in pixels, 3 or 5.
    """

    family = "median"
    side: Literal[3, 5] = 3

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the filtered copy."""
        return kernels.median(images, self.side)


@TRANSFORMS.register("gaussian-blur")
@dataclass(frozen=True)
class GaussianBlur(Transform):
    """Blurs with a Gaussian; the kernel is cut off beyond two sigmas (5x5 at sigma 1).

    Guo et al., "Countering Adversarial Images using Input Transformations", ICLR 2018, is the
    survey of such low-pass corrections.

    Attributes:
        sigma: Standard deviation in pixels, above 0, at most 5.
    """

    family = "gaussian-blur"
    differentiable = True
    sigma: Annotated[float, Field(gt=0, le=5)] = 1.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the blurred copy."""
        return kernels.gaussian(images, self.sigma)


@TRANSFORMS.register("bilateral")
@dataclass(frozen=True)
class Bilateral(Transform):
    """Smooths within 5x5 pixels but not across edges; runs on the CPU.

    Tomasi & Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998; as a defence in
    Xie et al., "Feature Denoising for Improving Adversarial Robustness", CVPR 2019.

    Attributes:
        levels: Standard deviation in grey levels; much larger differences are edges.
        pixels: Standard deviation in pixels.
    """

    family = "bilateral"
    levels: Annotated[float, Field(gt=0, le=255)] = 25.0
    pixels: Annotated[float, Field(gt=0, le=10)] = 2.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the smoothed copy."""
        return kernels.bilateral(images, levels=self.levels, pixels=self.pixels)


@TRANSFORMS.register("low-pass")
@dataclass(frozen=True)
class LowPass(Transform):
    """Keeps only the lower frequencies of the cosine transform, across and down.

    Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019, with
    the cosine transform: its mirrored borders do not ring into the opposite side. A face that was
    shrunk to half its size holds half of the frequencies.

    Attributes:
        share: Share of the frequencies along an axis that is kept, above 0, below 1.
    """

    family = "low-pass"
    differentiable = True
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy without high frequencies."""
        rows, columns = (
            _projection(side, self.share).to(images.device) for side in images.shape[2:]
        )
        # One image at a time: a product of another shape would round otherwise.
        parts = torch.split(images, 1 if images.is_cpu else len(images))
        return torch.cat([kernels.finish(rows @ part.float() @ columns, part) for part in parts])


@lru_cache(maxsize=8)
def _projection(side: int, share: float) -> torch.Tensor:
    """Returns the symmetric matrix that keeps the lower share of frequencies, (side, side)."""
    kept = max(1, round(share * side))
    frequency = torch.arange(kept, dtype=torch.float64)[:, None]
    place = torch.arange(side, dtype=torch.float64)[None, :] + 0.5
    waves = torch.cos(torch.pi / side * frequency * place) * (2 / side) ** 0.5
    waves[0] *= 0.5**0.5
    projection: torch.Tensor = waves.T @ waves
    return projection.float()
