"""Cheap input transformations known from the defence literature, as further actions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from demagnify.actions.base import ACTIONS, Action


@ACTIONS.register("median")
@dataclass(frozen=True)
class Median(Action):
    """Median of the 3x3 neighbourhood, per channel, borders repeated.

    Xu, Evans & Qi, "Feature Squeezing", NDSS 2018.
    """

    name = "median"

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the filtered copy."""
        # Sorting the columns first finds the median of nine in a few vectorised minima and maxima.
        framed = _repeat_border(images)
        low, middle, high = _sort(framed[..., :-2, :], framed[..., 1:-1, :], framed[..., 2:, :])
        _, _, highest_low = _sort(*_shifts(low))
        _, middle_middle, _ = _sort(*_shifts(middle))
        lowest_high, _, _ = _sort(*_shifts(high))
        return _sort(highest_low, middle_middle, lowest_high)[1]


@ACTIONS.register("gaussian-blur")
@dataclass(frozen=True)
class GaussianBlur(Action):
    """Gaussian blur.

    Guo et al., "Countering Adversarial Images using Input Transformations", ICLR 2018, is the
    survey of such low-pass corrections.

    Attributes:
        sigma: Standard deviation in pixels; the kernel is 5x5.
    """

    name = "gaussian-blur"
    sigma: float = 1.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the blurred copy."""
        # One image at a time stays in the processor's cache: 20 times faster than the whole batch.
        kernel, sigma = [5, 5], [self.sigma, self.sigma]
        return torch.cat([gaussian_blur(image[None], kernel, sigma) for image in images])


@ACTIONS.register("down-up")
@dataclass(frozen=True)
class DownUp(Action):
    """Halves the image by area averaging and brings it back with bicubic interpolation.

    The resize defence of Xie et al., "Mitigating Adversarial Effects Through Randomization", ICLR
    2018, without the randomness; it is the attack's own degradation, so it puts attacked and
    untouched faces into the same, smoother, world.
    """

    name = "down-up"

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy without its finest details."""
        height, width = images.shape[-2:]
        half = functional.interpolate(
            images.float(), size=(max(1, height // 2), max(1, width // 2)), mode="area"
        )
        back = functional.interpolate(half, size=(height, width), mode="bicubic")
        return back.round_().clamp_(0, 255).to(torch.uint8)


def _repeat_border(images: torch.Tensor) -> torch.Tensor:
    rows = torch.cat([images[..., :1, :], images, images[..., -1:, :]], dim=-2)
    return torch.cat([rows[..., :1], rows, rows[..., -1:]], dim=-1)


def _shifts(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns every pixel's left neighbour, the pixel and its right neighbour."""
    return images[..., :-2], images[..., 1:-1], images[..., 2:]


def _sort(
    a: torch.Tensor, b: torch.Tensor, c: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sorts three tensors element by element."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    rest = torch.minimum(high, c)
    return torch.minimum(low, rest), torch.maximum(low, rest), torch.maximum(high, c)
