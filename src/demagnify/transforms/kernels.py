"""Filters that several transforms share: OpenCV on the CPU, torch on other devices.

On the CPU OpenCV needs a fifth to a tenth of the time that torch and torchvision need for the same
filter, and kornia more than either. What the two ways give differs by rounding, one level in 255.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from demagnify.core.images import Pixels, from_batch, to_batch
from demagnify.transforms import resampling

Image = NDArray[Any]

_FEW: Final = 4
"""So many images are not worth the threads."""


def each(images: torch.Tensor, work: Callable[[Pixels], Image]) -> torch.Tensor:
    """Applies `work` to every image of a batch, on the CPU, several at a time.

    Args:
        images: uint8 RGB (N, 3, H, W) on any device.
        work: Maps uint8 (H, W, 3) to uint8 (H', W', 3); must be safe to run in several threads.

    Returns:
        uint8 (N, 3, H', W') on the device of `images`.
    """
    pixels = from_batch(images)
    if len(pixels) <= _FEW:
        done = [work(one) for one in pixels]
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            done = list(pool.map(work, pixels))
    return to_batch([np.asarray(one, dtype=np.uint8) for one in done]).to(images.device)


def gaussian(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of a uint8 batch, cut off beyond two sigmas, borders mirrored."""
    if images.is_cpu:
        size = (_gaussian_side(sigma),) * 2
        return each(
            images, lambda one: cv2.GaussianBlur(one, size, sigma, borderType=cv2.BORDER_REFLECT101)
        )
    return gaussian_on_device(images, sigma)


def gaussian_on_device(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Does the same on the device of `images`; of a float batch with gradients."""
    side = _gaussian_side(sigma)
    blurred: torch.Tensor = gaussian_blur(images, [side, side], [sigma, sigma])
    return blurred


def _gaussian_side(sigma: float) -> int:
    return 2 * math.ceil(2 * sigma) + 1


def median(images: torch.Tensor, side: int) -> torch.Tensor:
    """Median of the side x side neighbourhood of a uint8 batch, per channel, borders repeated."""
    if images.is_cpu:
        return each(images, lambda one: cv2.medianBlur(one, side))
    return median_on_device(images, side)


def median_on_device(images: torch.Tensor, side: int) -> torch.Tensor:
    """Does what `median` does, on the device of `images`."""
    height, width = images.shape[-2:]
    framed = functional.pad(images.float(), [side // 2] * 4, mode="replicate").to(torch.uint8)
    shifted = [
        framed[..., row : row + height, column : column + width]
        for row in range(side)
        for column in range(side)
    ]
    return torch.stack(shifted).median(dim=0).values


def shrink(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Shrinks a uint8 batch by area averaging, to at least one pixel."""
    if images.is_cpu:
        height, width = small_size(images, scale)
        return each(
            images, lambda one: cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA)
        )
    return shrink_on_device(images, scale)


def shrink_on_device(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Does what `shrink` does, on the device of `images`."""
    height, width = small_size(images, scale)
    small = resampling.area_resize(resampling.to_float(images), height, width)
    return resampling.to_uint8(small)


def small_size(images: torch.Tensor, scale: float) -> tuple[int, int]:
    """Returns height and width after shrinking by `scale`, at least one pixel each."""
    height, width = (max(1, resampling.small_side(side, scale)) for side in images.shape[-2:])
    return height, width


def enlarge(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarges a uint8 batch with bicubic interpolation (a = -0.75)."""
    if images.is_cpu:
        return each(
            images, lambda one: cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC)
        )
    return enlarge_on_device(images, height, width)


def enlarge_on_device(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Does what `enlarge` does, on the device of `images`."""
    return to_uint8(functional.interpolate(images.float(), size=(height, width), mode="bicubic"))


def to_uint8(values: torch.Tensor) -> torch.Tensor:
    """Rounds and clips float values on the scale 0-255, in place where that is possible."""
    return values.round_().clamp_(0, 255).to(torch.uint8)


def bilateral(images: torch.Tensor, *, levels: float, pixels: float) -> torch.Tensor:
    """Bilateral filter of a uint8 batch over 5x5 pixels; runs on the CPU.

    Args:
        images: uint8 (N, 3, H, W).
        levels: Standard deviation in grey levels.
        pixels: Standard deviation in pixels.
    """
    return each(images, lambda one: cv2.bilateralFilter(one, 5, levels, pixels))
