"""Filters that several transforms share.

Each takes uint8 batches, 0-255, and float batches in [0, 1]. OpenCV filters uint8 batches on the
CPU, in a fifth to a tenth of the time of torch, torchvision or kornia. torch filters batches on
other devices, which differ from OpenCV's by one grey level at most, and floats, with gradients.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from demagnify.core.images import Pixels, from_batch, to_batch
from demagnify.core.threads import available
from demagnify.transforms import resampling

Image = NDArray[Any]

_FEW = 4
"""Threads cost more than they save for so many images."""


def each(images: torch.Tensor, work: Callable[[Pixels], Image]) -> torch.Tensor:
    """Applies `work` to every image of a batch, on the CPU, several at a time.

    Args:
        images: uint8 RGB (N, 3, H, W) on any device.
        work: Maps uint8 (H, W, 3) to uint8 (H', W', 3); must be safe to run in several threads.

    Returns:
        uint8 (N, 3, H', W') on the device of `images`.
    """
    pixels = from_batch(images)
    done = map(work, pixels) if len(pixels) <= _FEW else threads().map(work, pixels)
    return to_batch([np.asarray(one, dtype=np.uint8) for one in done]).to(images.device)


@cache
def threads() -> ThreadPoolExecutor:
    """Returns the threads that filter images; OpenCV and Pillow release the interpreter."""
    return ThreadPoolExecutor(available(), thread_name_prefix="transform")


# Threads do not survive a fork: the workers of a DataLoader start their own.
os.register_at_fork(after_in_child=threads.cache_clear)


def opencv_fits(images: torch.Tensor) -> bool:
    """Returns whether OpenCV can filter the batch: uint8 on the CPU."""
    return images.is_cpu and images.dtype == torch.uint8


def grey_level(images: torch.Tensor) -> float:
    """Returns the distance between two grey levels: 1 in a uint8 batch, 1/255 in a float one."""
    return 1 / 255 if images.is_floating_point() else 1.0


def finish(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Clips float values to the range of `like`, and rounds them where `like` is uint8."""
    if like.is_floating_point():
        return values.clamp(0, 1)
    return values.round_().clamp_(0, 255).to(torch.uint8)


def gaussian(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blurs a batch with a Gaussian that is cut off beyond two sigmas; borders are mirrored."""
    side = 2 * math.ceil(2 * sigma) + 1
    if opencv_fits(images):
        border = cv2.BORDER_REFLECT101
        return each(
            images, lambda one: cv2.GaussianBlur(one, (side, side), sigma, borderType=border)
        )
    # torchvision takes longer to import than torch
    from torchvision.transforms.v2.functional import gaussian_blur

    blurred: torch.Tensor = gaussian_blur(images, [side, side], [sigma, sigma])
    return blurred


def median(images: torch.Tensor, side: int) -> torch.Tensor:
    """Median of the side x side neighbourhood of a uint8 batch, per channel, borders repeated."""
    if opencv_fits(images):
        return each(images, lambda one: cv2.medianBlur(one, side))
    height, width = images.shape[-2:]
    framed = functional.pad(images.float(), [side // 2] * 4, mode="replicate").to(torch.uint8)
    moved = [
        framed[..., row : row + height, column : column + width]
        for row in range(side)
        for column in range(side)
    ]
    return torch.stack(moved).median(dim=0).values


def bilateral(images: torch.Tensor, *, levels: float, pixels: float) -> torch.Tensor:
    """Bilateral filter of a uint8 batch over 5x5 pixels; runs on the CPU.

    Args:
        images: uint8 (N, 3, H, W).
        levels: Standard deviation in grey levels.
        pixels: Standard deviation in pixels.
    """
    return each(images, lambda one: cv2.bilateralFilter(one, 5, levels, pixels))


def opencv_jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Compresses one image, uint8 RGB (H, W, 3), to JPEG and decodes it, with OpenCV.

    Training draws it thousands of times: it is faster than Pillow, in which the correction `jpeg`
    computes, and differs from it by a grey level here and there.
    """
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    _, file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def shrink(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Shrinks a batch by area averaging, to at least one pixel.

    OpenCV rounds otherwise than `resampling.shrink`, by which attacks shrink: by one grey level.
    """
    height, width = (max(1, resampling.small_side(side, scale)) for side in images.shape[-2:])
    if opencv_fits(images):
        size = (width, height)
        return each(images, lambda one: cv2.resize(one, size, interpolation=cv2.INTER_AREA))
    if images.is_floating_point():
        return resampling.area_resize(images, height, width)
    small = resampling.area_resize(resampling.to_float(images), height, width)
    return resampling.to_uint8(small)


def enlarge(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarges a batch with bicubic interpolation (a = -0.75)."""
    if opencv_fits(images):
        size = (width, height)
        return each(images, lambda one: cv2.resize(one, size, interpolation=cv2.INTER_CUBIC))
    large = functional.interpolate(images.float(), size=(height, width), mode="bicubic")
    return finish(large, images)
