"""What the agent sees of an image: the encoders, and the states of a whole set of faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from demagnify.data.faces import Faces
from demagnify.images import check_batch
from demagnify.registry import Registry

STATES: Final[Registry[type[StateEncoder]]] = Registry("state")

KEEP_BELOW_BYTES: Final = 256 * 2**20


@dataclass(frozen=True)
class StateEncoder(ABC):
    """Turns images into what the agent sees: float32 (N, S).

    Subclasses are frozen dataclasses of their settings.

    Attributes:
        name: What configurations call it.
        low: No number of a state is below it.
        high: No number of a state is above it.
    """

    name: ClassVar[str]
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0

    @final
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the states of an image batch (N, 3, H, W), float32 (N, S) on its device.

        Raises:
            ImageContractError: If `images` is not an image batch.
        """
        if not len(check_batch(images)):
            return torch.empty(0, self.size(images.shape[-1]), device=images.device)
        return self.encode(images)

    @abstractmethod
    def size(self, image_size: int) -> int:
        """Returns S, how many numbers a state has, for square images of `image_size` pixels."""

    @abstractmethod
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the states of a checked, non-empty image batch."""


@STATES.register("flat-image")
@dataclass(frozen=True)
class FlatImage(StateEncoder):
    """All pixels in a row, 0 to 1: the paper's state, 150,528 numbers at 224x224."""

    name = "flat-image"

    def size(self, image_size: int) -> int:
        """Returns three numbers per pixel."""
        return 3 * image_size * image_size

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Returns float32 (N, 3 x H x W): all reds row by row, then greens, then blues."""
        return images.flatten(1).float().div_(255.0)


@STATES.register("thumbnail")
@dataclass(frozen=True)
class Thumbnail(StateEncoder):
    """The image shrunk by area averaging, 0 to 1: what is where, without the fine details.

    Attributes:
        side: Side of the thumbnail in pixels.
    """

    name = "thumbnail"
    side: int = 32

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns three numbers per thumbnail pixel, whatever the image's size."""
        return 3 * self.side * self.side

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Returns float32 (N, 3 x side x side)."""
        small = functional.interpolate(images.float(), size=(self.side, self.side), mode="area")
        return small.flatten(1).div_(255.0)


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

    name = "spectrum"
    low = -np.inf
    high = np.inf
    rings: int = 64

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns one number per ring and 18 more, whatever the image's size."""
        return self.rings + 18

    def encode(self, images: torch.Tensor) -> torch.Tensor:
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


class FaceStates:
    """The states of a set of faces: kept where they are small, encoded when asked for otherwise.

    Args:
        faces: The faces.
        encoder: What the agent sees of them.
        device: Where states are computed and wanted.
    """

    def __init__(self, faces: Faces, encoder: StateEncoder, device: torch.device) -> None:
        self.faces = faces
        self.encoder = encoder
        self.device = device
        self.size = encoder.size(faces.size)
        self._kept: torch.Tensor | None = None
        self._keep = len(faces) * self.size * 4 <= KEEP_BELOW_BYTES

    def __call__(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """Returns the states of the faces at `indices`, float32 (n, S)."""
        if not self._keep:
            return self.encoder(self.faces.batch(indices).to(self.device))
        if self._kept is None:
            self._kept = self.all()
        return self._kept[torch.from_numpy(indices).to(self.device)]

    def all(self) -> torch.Tensor:
        """Returns the states of all faces, float32 (N, S)."""
        states = torch.empty(len(self.faces), self.size, device=self.device)
        for indices, images in self.faces.batches(64):
            states[indices[0] : indices[-1] + 1] = self.encoder(images.to(self.device))
        return states

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns mean and standard deviation of each number over all faces, float32 (S,)."""
        total = torch.zeros(2, self.size, dtype=torch.float64, device=self.device)
        for _, images in self.faces.batches(64):
            states = self.encoder(images.to(self.device)).double()
            total += torch.stack([states.sum(0), states.square().sum(0)])
        mean, square = total / len(self.faces)
        return mean.float(), (square - mean.square()).clamp_(min=0.0).sqrt_().float()
