"""The radial power spectrum and the statistics of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from demagnify.agents.states.base import STATES, DetectorOutput, StateEncoder


@STATES.register("spectrum")
@dataclass(frozen=True)
class Spectrum(StateEncoder):
    """How much detail of which fineness there is, and how its noise behaves.

    The logarithm of the azimuthally averaged power spectrum (Durall, Keuper & Keuper, CVPR 2020),
    where resampling and super-resolution leave their mark, and 18 statistics of what four
    neighbours do not predict of a pixel: per channel the logarithm of its spread, mean magnitude
    over spread, kurtosis, and correlation with the right and the lower neighbour; then the
    correlations between channels. The numbers have no common scale: let the network standardise.

    Attributes:
        rings: In how many rings of equal width the spectrum is averaged.
    """

    family = "spectrum"
    rings: Annotated[int, Field(ge=1)] = 64

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns one number per ring and 18 more, whatever the image's size."""
        return self.rings + 18

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:  # noqa: ARG002
        """Returns float32 (N, rings + 18)."""
        # A few images at a time stay in the processor's cache, which more than halves the time.
        step = 4 if images.device.type == "cpu" else len(images)
        parts = [images[start : start + step] for start in range(0, len(images), step)]
        return torch.cat([self._encode_few(part) for part in parts])

    def _encode_few(self, images: torch.Tensor) -> torch.Tensor:
        values = images.float().div_(255.0)
        return torch.cat([self._power(values.mean(1)), _noise(values)], dim=1)

    def _power(self, grey: torch.Tensor) -> torch.Tensor:
        window, averages = _rings(grey.shape[1], grey.shape[2], self.rings, grey.device)
        centred = (grey - grey.mean((1, 2), keepdim=True)) * window
        power = torch.fft.rfft2(centred, norm="ortho").abs().square_().flatten(1)
        averaged: torch.Tensor = power @ averages
        return averaged.add_(1e-9).log_()


@lru_cache(maxsize=8)
def _rings(
    height: int, width: int, rings: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns a Hann window (H, W) and the matrix that averages a half spectrum over rings."""
    window = torch.outer(torch.hann_window(height), torch.hann_window(width))
    rows = torch.fft.fftfreq(height)[:, None]
    columns = torch.fft.rfftfreq(width)[None, :]
    radius = torch.sqrt(rows.square() + columns.square())
    ring = (radius / 0.5**0.5 * rings).long().clamp_(max=rings - 1).flatten()
    # All columns but the first and, of even widths, the last stand for two of the full spectrum.
    twice = torch.full((width // 2 + 1,), 2.0)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    share = functional.one_hot(ring, rings).float() * twice.repeat(height)[:, None]
    return window.to(device), (share / share.sum(0).clamp(min=1.0)).to(device)


def _noise(values: torch.Tensor) -> torch.Tensor:
    inner = values[..., 1:-1, 1:-1]
    around = values[..., :-2, 1:-1] + values[..., 2:, 1:-1]
    around = around + values[..., 1:-1, :-2] + values[..., 1:-1, 2:]
    residual = inner - around / 4
    residual = residual - residual.mean((2, 3), keepdim=True)
    spread = residual.square().mean((2, 3)).sqrt() + 1e-4
    unit = residual / spread[..., None, None]
    statistics = [
        spread.log(),
        unit.abs().mean((2, 3)),
        unit.pow(4).mean((2, 3)).log1p(),
        (unit[..., :, 1:] * unit[..., :, :-1]).mean((2, 3)),
        (unit[..., 1:, :] * unit[..., :-1, :]).mean((2, 3)),
        (unit * unit.roll(1, dims=1)).mean((2, 3)),
    ]
    return torch.cat(statistics, dim=1)
