"""Views of one part of the spectrum: only the coarse, or only the fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

import torch
from pydantic import Field

from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Rngs, Transform

_MIDDLE: Final = 128


@TRANSFORMS.register("low-pass")
@dataclass(frozen=True)
class LowPass(Transform):
    """Keeps only the lower frequencies of the cosine transform, across and down.

    Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019, with
    the cosine transform, whose mirrored borders do not ring into the opposite side. Half of the
    frequencies is what a face shrunk to half its size can hold.

    Attributes:
        share: Of the frequencies along an axis, how many are kept, 0 to 1.
    """

    family = "low-pass"
    differentiable = True
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the copy without high frequencies."""
        rows, columns = (
            _projection(side, self.share).to(images.device) for side in images.shape[2:]
        )
        # One image at a time: a product of another shape would round otherwise.
        parts = torch.split(images, 1 if images.is_cpu else len(images))
        return torch.cat([kernels.to_uint8(rows @ part.float() @ columns) for part in parts])

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images without high frequencies, with gradients."""
        rows, columns = (_projection(side, self.share).to(images) for side in images.shape[2:])
        return (rows @ images @ columns).clamp(0, 1)


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


@TRANSFORMS.register("residual")
@dataclass(frozen=True)
class Residual(Transform):
    """Shows only what a Gaussian blur of sigma 1 takes away, amplified, on middle grey.

    The noise residual of steganalysis (Fridrich & Kodovsky, "Rich Models for Steganalysis of
    Digital Images", IEEE TIFS 2012). A detector that never saw such images says little about
    them; what it says differs between networks.

    Attributes:
        gain: By how much it is amplified, above 0, at most 64.
    """

    family = "residual"
    differentiable = True
    gain: Annotated[float, Field(gt=0, le=64)] = 4.0

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:  # noqa: ARG002
        """Returns the amplified residual."""
        detail = images.float() - kernels.gaussian(images, 1.0)
        return kernels.to_uint8(detail.mul_(self.gain).add_(_MIDDLE))

    def apply_float(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the amplified residual, with gradients."""
        detail = images - kernels.gaussian_on_device(images, 1.0)
        return (detail * self.gain + _MIDDLE / 255).clamp(0, 1)
