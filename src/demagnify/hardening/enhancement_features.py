"""Numbers that describe the finest details of a face at its own resolution.

Super-resolution networks leave other statistics than cameras and plain filters: how neighbouring
residuals occur together, how sparse the high frequencies are, and the grid of the upsampling layer.
The module needs numpy and OpenCV only.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.images import Pixels

TILE: Final = 128
"""Longest side in pixels of the part that is described at once."""
SMALLEST: Final = 48
"""Smallest side in pixels that can be described."""
VERSION: Final = 1
"""Goes up whenever the numbers change: weights that were trained on others are refused."""

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_STEPS: Final = (1.0, 2.5)
_LEVELS: Final = 5
_PERIODS: Final = (2, 3, 4, 8)
_RINGS: Final = 32
_SQUARE: Final = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], dtype=np.float32) / 4
_WIDE: Final = (
    np.array(
        [
            [-1, 2, -2, 2, -1],
            [2, -6, 8, -6, 2],
            [-2, 8, -12, 8, -2],
            [2, -6, 8, -6, 2],
            [-1, 2, -2, 2, -1],
        ],
        dtype=np.float32,
    )
    / 12
)


def describe(pixels: Pixels) -> Floats:
    """Describes one part of a face.

    The co-occurrences of quantized residuals are those of Fridrich and Kodovsky, "Rich Models for
    Digital Image Steganalysis" (TIFS 2012), in small. With them stand, for each
    frequency of the 8x8 cosine transform, its strength and its sparsity, the radial spectrum, and
    the unevenness of the residual over grids of 2, 3, 4 and 8 pixels.

    Args:
        pixels: uint8 RGB (H, W, 3), sides of at least `SMALLEST`.

    Returns:
        float32 (`count()`,); independent of the size, apart from chance.
    """
    floats = pixels.astype(np.float32)
    luma = floats @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    parts: list[Floats] = []
    for residuals in _residuals(luma):
        for step in _STEPS:
            parts += _co_occurrences(residuals, step)
    square = np.asarray(cv2.filter2D(luma, -1, _SQUARE)[1:-1, 1:-1], dtype=np.float32)
    parts += [_cosine(luma), _cosine(floats[..., 0] - luma), _cosine(floats[..., 2] - luma)]
    parts += [_rings(luma), _grids(square), _grids(luma[:, 1:-1] * 2 - luma[:, 2:] - luma[:, :-2])]
    return np.concatenate(parts).astype(np.float32)


@cache
def count() -> int:
    """Returns how many numbers describe a face."""
    return len(describe(np.zeros((SMALLEST, SMALLEST, 3), dtype=np.uint8)))


def tiles(pixels: Pixels, most: int = 4) -> list[Pixels]:
    """Cuts a face into at most so many squares of `TILE` around its middle; a small face is one."""
    spans = [_spans(side) for side in pixels.shape[:2]]
    found = [pixels[y, x] for y in spans[0] for x in spans[1]]
    return found[:most]


def _spans(side: int) -> list[slice]:
    """Returns one or two spans around the middle, which may overlap."""
    if side <= TILE:
        return [slice(0, side)]
    start = max(0, side // 2 - TILE)
    end = min(side, start + 2 * TILE)
    return [slice(start, start + TILE), slice(end - TILE, end)]


def _residuals(luma: Floats) -> list[tuple[Floats, ...]]:
    """Returns residuals; two of a kind go along the rows and, turned, the columns."""
    kinds: list[tuple[Floats, ...]] = []
    for order, scale in ((1, 1.0), (2, 2.0), (3, 3.0)):
        kinds.append(tuple(np.diff(one, order, axis=1) / scale for one in (luma, luma.T)))
    for kernel in (_SQUARE, _WIDE):
        edge = len(kernel) // 2
        inside = np.asarray(cv2.filter2D(luma, -1, kernel), dtype=np.float32)
        inside = inside[edge:-edge, edge:-edge]
        kinds.append((inside, inside.T))
    return kinds


def _co_occurrences(residuals: tuple[Floats, ...], step: float) -> list[Floats]:
    """Returns square roots of how often three neighbours have these levels, along and across."""
    half = _LEVELS // 2
    both = [np.zeros(_LEVELS**3), np.zeros(_LEVELS**3)]
    for residual in residuals:
        levels = (np.clip(np.rint(residual / step), -half, half) + half).astype(np.int64)
        for number, one in enumerate((levels, levels.T)):
            codes = one[:, :-2] * _LEVELS**2 + one[:, 1:-1] * _LEVELS + one[:, 2:]
            both[number] += np.bincount(codes.ravel(), minlength=_LEVELS**3)
    classes, size = _classes()
    return [
        np.sqrt(np.bincount(classes, weights=one, minlength=size) / one.sum()).astype(np.float32)
        for one in both
    ]


@cache
def _classes() -> tuple[Integers, int]:
    """Puts three levels, the same backwards and the same with other signs into one class."""
    grid = np.indices((_LEVELS,) * 3).reshape(3, -1)
    weights = np.array([_LEVELS**2, _LEVELS, 1])
    same = [
        weights @ one for one in (grid, grid[::-1], _LEVELS - 1 - grid, _LEVELS - 1 - grid[::-1])
    ]
    names, classes = np.unique(np.min(same, axis=0), return_inverse=True)
    return classes.astype(np.int64), len(names)


@cache
def _basis() -> Floats:
    rows = np.arange(8)
    basis = np.cos((2 * rows[None] + 1) * rows[:, None] * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _cosine(plane: Floats) -> Floats:
    """Returns strength and sparsity of each frequency over blocks of 8x8 on two grids."""
    blocks = []
    for shift in (0, 4):
        part = plane[shift:, shift:]
        rows, columns = (side // 8 for side in part.shape)
        part = part[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8)
        blocks.append(part.transpose(0, 2, 1, 3).reshape(-1, 8, 8))
    found = _basis() @ np.concatenate(blocks) @ _basis().T
    strength = np.abs(found).mean(0) + 0.05
    sparsity = strength / (np.sqrt(np.square(found).mean(0)) + 0.05)
    return np.concatenate([np.log(strength).ravel()[1:], sparsity.ravel()[1:]])


def _rings(luma: Floats) -> Floats:
    """Returns the logarithm of the power in rings of equal width, from low to high frequency."""
    window = np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    power = np.abs(np.fft.rfft2((luma - luma.mean()) * window)) ** 2 / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(luma.shape[0])[:, None], np.fft.rfftfreq(luma.shape[1])[None])
    rings = np.minimum((radius / 0.5 * _RINGS).astype(np.int64), _RINGS - 1).ravel()
    sums = np.bincount(rings, weights=power.ravel(), minlength=_RINGS)
    numbers = np.bincount(rings, minlength=_RINGS)
    return np.log(sums / np.maximum(numbers, 1) + 0.01).astype(np.float32)


def _grids(residual: Floats) -> Floats:
    """Returns how unevenly the residual is spread over the places in grids of each period."""
    size = np.abs(residual)
    found = []
    for profile in (size.mean(0), size.mean(1)):
        for period in _PERIODS:
            whole = len(profile) // period * period
            phases = profile[:whole].reshape(-1, period).mean(0)
            found.append(np.log((phases.max() + 0.05) / (phases.min() + 0.05)))
    return np.array(found, dtype=np.float32)
