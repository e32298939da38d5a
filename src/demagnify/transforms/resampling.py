"""Shrinking as attackers do, enlarging without a network, and the way to 8 bits and back."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch.nn import functional

from demagnify.core.errors import ImageContractError

MIN_SMALL_SIDE: Final = 8
"""Smallest side of a shrunk image, in pixels; a smaller one shows no face to rebuild."""


def to_float(images: torch.Tensor) -> torch.Tensor:
    """Returns a uint8 batch as float32 in [0, 1]."""
    return images.to(torch.float32) / 255


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Returns a float batch, [0, 1] and a little beyond, clipped and rounded to uint8."""
    return images.float().mul(255).round().clamp(0, 255).to(torch.uint8)


def shrink(images: torch.Tensor, scale: float) -> torch.Tensor:
    """Shrinks a uint8 batch by area averaging, as OpenCV's INTER_AREA, and rounds to 8 bits.

    Args:
        images: uint8 (N, 3, H, W).
        scale: The factor, 1 or more; the sides become H / scale and W / scale, rounded half up.

    Returns:
        uint8 (N, 3, h, w), the input of a super-resolution tool.
    """
    height, width = (small_side(side, scale) for side in images.shape[-2:])
    return to_uint8(area_resize(to_float(images), height, width))


def area_resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Shrinks a float batch to (N, 3, height, width); a pixel is the mean of its area."""
    rows = _area_weights(images.shape[-2], height).to(images.device)
    columns = _area_weights(images.shape[-1], width).to(images.device)
    return rows @ images @ columns.T


def small_side(side: int, scale: float) -> int:
    """Returns the length of a side after shrinking, in pixels."""
    return int((2 * side + scale) // (2 * scale))


def check_size(images: torch.Tensor, scale: float) -> None:
    """Checks that images (N, 3, H, W) are large enough to be shrunk by `scale`.

    Raises:
        ImageContractError: If a side would be left with less than `MIN_SMALL_SIDE` pixels.
    """
    height, width = images.shape[-2:]
    if small_side(min(height, width), scale) < MIN_SMALL_SIDE:
        raise ImageContractError(
            f"images of {width}x{height} pixels are too small for an attack of scale {scale:g}",
            hint=f"both sides need {math.ceil(MIN_SMALL_SIDE * scale)} pixels",
        )


def enlarge(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes a float batch to (N, 3, height, width) with an antialiased bicubic kernel.

    The kernel is Pillow's; a batch that has the size already is returned as it is.
    """
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(
        images, size=(height, width), mode="bicubic", align_corners=False, antialias=True
    )


def _area_weights(size: int, target: int) -> torch.Tensor:
    """Returns the share of each new pixel that each old one covers: float32 (target, size)."""
    step = size / target
    edges = torch.arange(target + 1, dtype=torch.float64) * step
    left = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], left + 1) - torch.maximum(edges[:-1, None], left)
    return (overlap.clamp_min(0) / step).to(torch.float32)
