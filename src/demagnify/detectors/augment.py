"""Augmentation of training faces, as cameras, crops and messengers change photographs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray

from demagnify.core.images import from_batch, to_batch
from demagnify.core.rng import generator
from demagnify.transforms.kernels import opencv_jpeg, threads

_CHANCE: Final = {
    "flip": 0.5,
    "zoom": 0.3,
    "color": 0.4,
    "gray": 0.1,
    "blur": 0.2,
    "noise": 0.2,
    "jpeg": 0.3,
}
_RANGE: Final = {
    "side": (0.8, 1.0),
    "left": (0.0, 1.0),
    "top": (0.0, 1.0),
    "brightness": (-25.0, 25.0),
    "contrast": (0.8, 1.2),
    "saturation": (0.7, 1.3),
    "sigma": (0.3, 1.5),
    "grain": (1.0, 8.0),
    "grain_seed": (0.0, 2.0**52),
    "quality": (60.0, 101.0),
}
_COLUMN: Final = {name: column for column, name in enumerate([*_CHANCE, *_RANGE])}
_BLUR_RADIUS: Final = 4
_LUMA: Final = (0.299, 0.587, 0.114)

Indices = NDArray[np.int64]
Draws = NDArray[np.float64]


class TrainingTransform(Protocol):
    """Changes training faces before the augmentation, such as an attack of one's own."""

    def __call__(self, images: torch.Tensor, indices: Indices, *, epoch: int) -> torch.Tensor:
        """Returns changed copies; a face's depends on its index and the epoch, not on the batch.

        Args:
            images: uint8 RGB (n, 3, H, W).
            indices: Which of the training faces they are, (n,).
            epoch: In which pass over the data.
        """

    def identity(self) -> dict[str, Any]:
        """Returns the settings on which its results depend, as JSON can hold them."""


class Augmentation:
    """Augments training faces at random, in batches, on the device where they are.

    Flip, zoom by up to a quarter, brightness, contrast, saturation, grey, blur, sensor noise and
    JPEG of quality 60 to 100. What happens to a face depends on (seed, epoch, its index) alone,
    not on the batch that it is in: the draws of an epoch are one table with a row per face. For
    that, and because blur and colour of a batch are one call on a GPU, these are no `Transform`s.
    Nothing imitates super-resolution: a detector that shall know the attack is trained on attacked
    faces.

    Args:
        strength: Scales how often each change happens, 0 to 1.
        seed: Of all choices.
        count: How many faces there are; indices are below it.
    """

    def __init__(self, strength: float, *, seed: int, count: int) -> None:
        self.strength = strength
        self.seed = seed
        self.count = count
        self._epoch = -1
        self._draws: Draws = np.empty((0, len(_COLUMN)))

    def __call__(self, images: torch.Tensor, indices: Indices, *, epoch: int) -> torch.Tensor:
        """Returns augmented copies on the same device; see `TrainingTransform`."""
        if self.strength == 0:
            return images
        draws = self._of_epoch(epoch)[indices]
        batch = images.float()
        for name, change in _CHANGES.items():
            rows = self._chosen(draws, name)
            if len(rows):
                where = torch.from_numpy(rows).to(batch.device)
                batch[where] = change(batch[where], draws[rows])
        changed = batch.round_().clamp_(0, 255).to(torch.uint8)
        return self._compress(changed, draws)

    def _of_epoch(self, epoch: int) -> Draws:
        """One row of uniform numbers for each face."""
        if epoch != self._epoch:
            shape = (self.count, len(_COLUMN))
            self._draws = generator(self.seed, "augmentation", epoch).random(shape)
            self._epoch = epoch
        return self._draws

    def _chosen(self, draws: Draws, name: str) -> Indices:
        return np.flatnonzero(draws[:, _COLUMN[name]] < _CHANCE[name] * self.strength)

    def _compress(self, images: torch.Tensor, draws: Draws) -> torch.Tensor:
        rows = self._chosen(draws, "jpeg")
        if not len(rows):
            return images
        qualities = _value(draws[rows], "quality").astype(int).tolist()
        where = torch.from_numpy(rows).to(images.device)
        coded = to_batch(list(threads().map(opencv_jpeg, from_batch(images[where]), qualities)))
        images[where] = coded.to(images.device)
        return images


def _value(draws: Draws, name: str) -> Draws:
    low, high = _RANGE[name]
    return low + (high - low) * draws[:, _COLUMN[name]]


def _values(draws: Draws, name: str, like: torch.Tensor) -> torch.Tensor:
    """One value per image, (n, 1, 1, 1), to be broadcast over its pixels."""
    return torch.from_numpy(_value(draws, name)).to(like).view(-1, 1, 1, 1)


def _flip(images: torch.Tensor, draws: Draws) -> torch.Tensor:  # noqa: ARG001  one signature
    return images.flip(3)


def _zoom(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Cuts out a square with 80 to 100 % of the side and enlarges it."""
    side = _value(draws, "side")
    theta = np.zeros((len(draws), 2, 3))
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, 0, 2] = (1 - side) * (2 * _value(draws, "left") - 1)
    theta[:, 1, 2] = (1 - side) * (2 * _value(draws, "top") - 1)
    grid = F.affine_grid(torch.from_numpy(theta).to(images), list(images.shape), False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _color(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    contrast = _values(draws, "contrast", images)
    shifted = (images - mean) * contrast + mean + _values(draws, "brightness", images)
    gray = _luma(shifted)
    return gray + (shifted - gray) * _values(draws, "saturation", images)


def _gray(images: torch.Tensor, draws: Draws) -> torch.Tensor:  # noqa: ARG001  one signature
    return _luma(images).expand_as(images)


def _luma(images: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor(_LUMA, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def _blur(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Gaussian, each image with its own width: every channel is a group of one convolution."""
    count, channels, height, width = images.shape
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=images.device)
    sigma = _values(draws, "sigma", images).view(-1, 1)
    taps = (-0.5 * (offsets / sigma) ** 2).exp()
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = images.reshape(1, count * channels, height, width)
    flat = F.pad(flat, [_BLUR_RADIUS] * 4, mode="replicate")
    flat = F.conv2d(flat, taps.view(-1, 1, 1, taps.shape[1]), groups=len(taps))
    flat = F.conv2d(flat, taps.view(-1, 1, taps.shape[1], 1), groups=len(taps))
    return flat.view_as(images)


def _noise(images: torch.Tensor, draws: Draws) -> torch.Tensor:
    rng = torch.Generator(images.device)
    noise = torch.empty_like(images)
    for plane, seed in zip(noise, _value(draws, "grain_seed").astype(int).tolist(), strict=True):
        plane.normal_(generator=rng.manual_seed(seed))
    return images + noise * _values(draws, "grain", images)


_CHANGES: Final[dict[str, Callable[[torch.Tensor, Draws], torch.Tensor]]] = {
    "flip": _flip,
    "zoom": _zoom,
    "color": _color,
    "gray": _gray,
    "blur": _blur,
    "noise": _noise,
}
"""In the order in which they happen; JPEG comes last, on whole numbers."""
