"""How neighbouring noise values hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from demagnify.agents.states.base import STATES, DetectorOutput, StateEncoder

_LUMA: Final = (0.299, 0.587, 0.114)
_PLANES: Final = 3
_FILTERS: Final = 3
_NEIGHBOURS: Final = 2
_QUIET: Final = 1e-3
"""Added to mean squares, in levels squared, so that flat images correlate by nothing."""


@STATES.register("residual")
@dataclass(frozen=True)
class Residual(StateEncoder):
    """Correlations between neighbouring values of high-pass residuals: 18 numbers, -1 to 1.

    Brightness (luma of ITU-R BT.601), blue and red difference are each filtered by the second
    difference across, down, and both, three of the linear residuals of Fridrich & Kodovsky, "Rich
    Models for Steganalysis of Digital Images", IEEE TIFS 2012. Of each residual the correlations
    with the right and the lower neighbour are taken. Resampling and super-resolution networks
    predict a pixel from its neighbours, which these show; how strong the noise is cancels out, so
    that few images teach what holds for other networks too (docs/corrections.md has the figures).
    """

    family = "residual"
    low = -1.0
    high = 1.0

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns 18, whatever the image's size."""
        return _PLANES * _FILTERS * _NEIGHBOURS

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:  # noqa: ARG002
        """Returns float32 (N, 18): per residual and plane, the two correlations."""
        # One image at a time stays in the processor's cache.
        parts = torch.split(images, 1 if images.is_cpu else len(images))
        return torch.cat([_encode_few(part) for part in parts])


def _encode_few(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = images.float().unbind(1)
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    planes = torch.stack([luma, blue - luma, red - luma], dim=1)
    across = _second_difference(planes, 3)
    down = _second_difference(planes, 2)
    both = _second_difference(across, 2)
    states = [_correlations(residual) for residual in (across, down, both)]
    return torch.cat(states, dim=1).clamp_(-1.0, 1.0)


def _second_difference(values: torch.Tensor, axis: int) -> torch.Tensor:
    count = values.shape[axis] - 2
    ends = values.narrow(axis, 0, count) + values.narrow(axis, 2, count)
    return ends.sub_(values.narrow(axis, 1, count), alpha=2)


def _correlations(residual: torch.Tensor) -> torch.Tensor:
    """Returns each plane's correlation with the right and the lower neighbour, (n, 6)."""
    energy = residual.square().mean((2, 3)) + _QUIET
    right = (residual[..., 1:] * residual[..., :-1]).mean((2, 3))
    lower = (residual[..., 1:, :] * residual[..., :-1, :]).mean((2, 3))
    return torch.cat([right / energy, lower / energy], dim=1)
