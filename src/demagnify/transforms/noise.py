"""Noise that covers fine traces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field

from demagnify.core.rng import torch_generator
from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform


@TRANSFORMS.register("noise")
@dataclass(frozen=True)
class Noise(Transform):
    """Adds Gaussian noise, for every image of a size the same fixed pattern.

    Cohen, Rosenfeld & Kolter, "Certified Adversarial Robustness via Randomized Smoothing", ICML
    2019, with one draw. As the pattern is fixed, the same image gives the same bits in any batch;
    an attacker can read the pattern in this package.

    Attributes:
        sigma: Standard deviation in grey levels, above 0, at most 64.
    """

    family = "noise"
    differentiable = True
    sigma: Annotated[float, Field(gt=0, le=64)] = 4.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the noisy copy."""
        pattern = _pattern(*images.shape[-2:]).to(images.device)
        return kernels.finish(images + self.sigma * kernels.grey_level(images) * pattern, images)


@lru_cache(maxsize=4)
def _pattern(height: int, width: int) -> torch.Tensor:
    random = torch_generator(0, "noise-action", height, width)
    return torch.randn(3, height, width, generator=random)
