"""PSNR and SSIM of one image, fast enough to run beside a network."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from demagnify.core.errors import ImageContractError
from demagnify.core.images import Pixels, check_pixels

_WINDOW: Final = 11
_SIGMA: Final = 1.5
_C1: Final = (0.01 * 255) ** 2
_C2: Final = (0.03 * 255) ** 2


def similarity(original: Pixels, changed: Pixels) -> tuple[float, float]:
    """Compares a changed image with its original, as `quality` does, in a thread of its own.

    The Gaussian window of SSIM is taken apart into rows and columns by OpenCV, which is some ten
    times as fast as the convolutions behind `quality`; both give the same figures.

    Args:
        original: uint8 RGB (H, W, 3).
        changed: The same image, changed.

    Returns:
        PSNR in dB over all pixels and channels, infinite for equal images; and SSIM (Wang et al.,
        "Image quality assessment", 2004) with a Gaussian window of 11 pixels, images mirrored at
        their borders, averaged over the channels.

    Raises:
        ImageContractError: If one is no photograph, or the shapes differ.
    """
    if check_pixels(original).shape != check_pixels(changed).shape:
        raise ImageContractError(f"{original.shape} and {changed.shape} cannot be compared")
    first, second = original.astype(np.float32), changed.astype(np.float32)
    error = float(np.mean(np.square(first - second), dtype=np.float64))
    psnr = 10 * math.log10(255**2 / error) if error else math.inf
    return psnr, _ssim(first, second)


def _ssim(first: cv2.typing.MatLike, second: cv2.typing.MatLike) -> float:
    means = _blur(first), _blur(second)
    product = means[0] * means[1]
    squares = np.square(means[0]) + np.square(means[1])
    covariance = _blur(first * second) - product
    variances = _blur(np.square(first) + np.square(second)) - squares
    values = ((2 * product + _C1) * (2 * covariance + _C2)) / ((squares + _C1) * (variances + _C2))
    return float(np.mean(values, dtype=np.float64))


def _blur(values: cv2.typing.MatLike) -> cv2.typing.MatLike:
    return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
