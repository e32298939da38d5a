"""Views of one part of the spectrum: only the coarse, or only the fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

import torch
from pydantic import Field

from demagnify.actions import kernels
from demagnify.actions.base import ACTIONS, Action

_MIDDLE: Final = 128


@ACTIONS.register("low-pass")
@dataclass(frozen=True)
class LowPass(Action):
    """Keeps only the frequencies within a circle around zero.

    Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019. Half
    of the highest frequency is what a face shrunk to half its size can hold.

    Attributes:
        share: Radius of the circle as a share of the highest frequency along an axis, 0 to 1.
    """

    family = "low-pass"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy without high frequencies."""
        height, width = images.shape[-2:]
        inside = _circle(height, width, self.share).to(images.device)
        # A few images at a time stay in the processor's cache.
        parts = torch.split(images, 1 if images.is_cpu else len(images))
        return torch.cat([_filter(part, inside) for part in parts])


def _filter(images: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    spectrum = torch.fft.rfft2(images.float()).mul_(inside)
    return kernels.to_uint8(torch.fft.irfft2(spectrum, s=tuple(images.shape[-2:])))


@lru_cache(maxsize=8)
def _circle(height: int, width: int, share: float) -> torch.Tensor:
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None, :]
    radius = torch.sqrt(rows.square() + columns.square())
    return (radius <= share / 2).float()


@ACTIONS.register("residual")
@dataclass(frozen=True)
class Residual(Action):
    """Shows only what a Gaussian blur of sigma 1 takes away, amplified, on middle grey.

    The noise residual of steganalysis (Fridrich & Kodovsky, "Rich Models for Steganalysis of
    Digital Images", IEEE TIFS 2012). A detector that never saw such images says little about
    them; what it says differs between networks.

    Attributes:
        gain: By how much it is amplified, above 0, at most 64.
    """

    family = "residual"
    gain: Annotated[float, Field(gt=0, le=64)] = 4.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the amplified residual."""
        detail = images.float() - kernels.gaussian(images, 1.0)
        return kernels.to_uint8(detail.mul_(self.gain).add_(_MIDDLE))
