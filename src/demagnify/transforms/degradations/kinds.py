"""What may be done to a face without any network: ordinary filters, drawn at random.

What super-resolution networks leave behind (lost resolution, edges that are too sharp, textures
painted over or made up, the grid of the upsampling layer) is imitated by filters whose settings
are drawn anew for every face, so that a detector cannot learn one network's traces by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.registry import Registry

Floats = NDArray[np.float32]
Dice = np.random.Generator
Degradation = Callable[[Floats, Dice], Floats]
"""Maps float32 RGB (H, W, 3), 0-255, and a generator to the same shape; values may overshoot."""

DEGRADATIONS: Final[Registry[Degradation]] = Registry("degradation")

_SHRINKING: Final = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
_ENLARGING: Final = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)
_CROSS: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_FACTORS: Final = (1.25, 7.0)
"""Many faces are smaller in their photograph than here: x4 there may be x7 here."""
_HIDDEN: Final = 8
"""Channels between the two random layers of `randomly_convolved`."""


@DEGRADATIONS.register("resampled")
def resampled(pixels: Floats, dice: Dice) -> Floats:
    """Shrinks by a factor of 1.25 to 7 and enlarges again, each with a kernel of its own."""
    return _enlarge(_shrink(pixels, dice), pixels, dice)


@DEGRADATIONS.register("sharpened")
def sharpened(pixels: Floats, dice: Dice) -> Floats:
    """Resamples and sharpens: rebuilt edges are crisper than the lens made them."""
    return _unsharp(resampled(pixels, dice), dice, strongest=3.0)


@DEGRADATIONS.register("back-projected")
def back_projected(pixels: Floats, dice: Dice) -> Floats:
    """Enlarges so that shrinking it again gives the small image: super-resolution before networks.

    Irani and Peleg, "Improving resolution by image registration" (CVGIP 1991).
    """
    small = _shrink(pixels, dice, kernels=(cv2.INTER_AREA,))
    size = small.shape[1], small.shape[0]
    enlarged = _enlarge(small, pixels, dice)
    for _ in range(int(dice.integers(2, 11))):
        missing = small - cv2.resize(enlarged, size, interpolation=cv2.INTER_AREA)
        enlarged = enlarged + _enlarge(np.asarray(missing, dtype=np.float32), pixels, dice)
    return enlarged


@DEGRADATIONS.register("painted")
def painted(pixels: Floats, dice: Dice) -> Floats:
    """Resamples, smooths what lies between edges, and sharpens the edges: skin like wax."""
    rebuilt = resampled(pixels, dice)
    if dice.random() < 0.5:
        spread = float(dice.uniform(10, 60))
        smooth = cv2.bilateralFilter(rebuilt, 5, spread, float(dice.uniform(1, 4)))
    else:
        bytes_ = np.clip(rebuilt, 0, 255).astype(np.uint8)
        smooth = cv2.medianBlur(bytes_, int(dice.choice((3, 5)))).astype(np.float32)
    return _unsharp(np.asarray(smooth, dtype=np.float32), dice, strongest=2.0)


@DEGRADATIONS.register("shocked")
def shocked(pixels: Floats, dice: Dice) -> Floats:
    """Resamples, and lets light and dark grow until they meet in edges: flat areas, hard borders.

    Osher and Rudin, "Feature-oriented image enhancement using shock filters" (SIAM Journal on
    Numerical Analysis 1990), in the discrete form of Kramer and Bruckner (1975).
    """
    rebuilt = resampled(pixels, dice)
    spread, strength = float(dice.uniform(0.7, 2.0)), np.float32(dice.uniform(0.3, 1.0))
    for _ in range(int(dice.integers(1, 5))):
        grey = _blur(np.asarray(cv2.cvtColor(rebuilt, cv2.COLOR_RGB2GRAY), np.float32), spread)
        darker, lighter = (f(rebuilt, _CROSS) for f in (cv2.erode, cv2.dilate))
        bulges = cv2.Laplacian(grey, cv2.CV_32F)[..., None] < 0
        grown = np.where(bulges, lighter, darker)
        rebuilt = np.asarray(rebuilt + strength * (grown - rebuilt), dtype=np.float32)
    return rebuilt


@DEGRADATIONS.register("textured")
def textured(pixels: Floats, dice: Dice) -> Floats:
    """Resamples and makes up detail where there was some: noise as strong as the local contrast."""
    rebuilt = resampled(pixels, dice)
    grain = dice.standard_normal(pixels.shape, dtype=np.float32)
    if dice.random() < 0.5:
        grain[:] = grain[..., :1]
    grain = _blur(grain, float(dice.uniform(0.3, 1.0)))
    contrast = _blur(np.abs(rebuilt - _blur(rebuilt, 1.5)), 2.0)
    return rebuilt + grain * contrast * np.float32(dice.uniform(0.5, 3.0))


@DEGRADATIONS.register("randomly-convolved")
def randomly_convolved(pixels: Floats, dice: Dice) -> Floats:
    """Adds what two random layers and a pixel shuffle make of the small image: a network's grid.

    Every face meets other weights. Xu et al., "Robust and Generalizable Visual Representation
    Learning via Random Convolutions" (ICLR 2021), at the place where an upsampling layer stands.
    """
    small = _shrink(pixels, dice, kernels=(cv2.INTER_AREA,), factors=(1.9, 4.1))
    rebuilt = _enlarge(small, pixels, dice)
    step = int(dice.integers(2, 5))
    features = np.maximum(_convolve(small / np.float32(255), _HIDDEN, dice), 0)
    made_up = _shuffle(_convolve(features, 3 * step * step, dice), step)
    made_up = made_up - _blur(made_up, 2.0)
    size = pixels.shape[1], pixels.shape[0]
    detail = np.asarray(cv2.resize(made_up, size, interpolation=cv2.INTER_LINEAR), np.float32)
    strength = dice.uniform(1.0, 8.0) / (float(detail.std()) + 1e-6)
    if dice.random() < 0.5:
        rebuilt = _unsharp(rebuilt, dice, strongest=2.0)
    return rebuilt + detail * np.float32(strength)


@DEGRADATIONS.register("compounded")
def compounded(pixels: Floats, dice: Dice) -> Floats:
    """Does two things in turn, and half of the time stores the result as JPEG.

    The second order is from Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution
    with Pure Synthetic Data" (ICCVW 2021).
    """
    links = [shocked, painted, textured, randomly_convolved, sharpened]
    for number in dice.permutation(len(links))[:2]:
        pixels = np.clip(links[number](pixels, dice), 0, 255)
    return compressed(pixels, dice) if dice.random() < 0.5 else pixels


@DEGRADATIONS.register("blurred")
def blurred(pixels: Floats, dice: Dice) -> Floats:
    """Blurs with a Gaussian of 0.4 to 2.5 pixels."""
    return _blur(pixels, float(dice.uniform(0.4, 2.5)))


@DEGRADATIONS.register("crisp")
def crisp(pixels: Floats, dice: Dice) -> Floats:
    """Sharpens without resampling."""
    return _unsharp(pixels, dice, strongest=3.0)


@DEGRADATIONS.register("noisy")
def noisy(pixels: Floats, dice: Dice) -> Floats:
    """Adds Gaussian noise of 1 to 10 grey levels."""
    noise = dice.standard_normal(pixels.shape, dtype=np.float32)
    return pixels + noise * np.float32(dice.uniform(1, 10))


@DEGRADATIONS.register("compressed")
def compressed(pixels: Floats, dice: Dice) -> Floats:
    """Stores as JPEG of quality 30 to 95."""
    bgr = np.clip(pixels[..., ::-1].round(), 0, 255).astype(np.uint8)
    quality = int(dice.integers(30, 96))
    _, file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.float32)
    return np.ascontiguousarray(decoded[..., ::-1])


def _shrink(
    pixels: Floats,
    dice: Dice,
    *,
    kernels: tuple[int, ...] = _SHRINKING,
    factors: tuple[float, float] = _FACTORS,
) -> Floats:
    height, width = pixels.shape[:2]
    factor = float(np.exp(dice.uniform(*np.log(factors))))
    size = max(2, round(width / factor)), max(2, round(height / factor))
    kernel = int(dice.choice(kernels))
    return np.asarray(cv2.resize(pixels, size, interpolation=kernel), dtype=np.float32)


def _enlarge(small: Floats, like: Floats, dice: Dice) -> Floats:
    size = like.shape[1], like.shape[0]
    kernel = int(dice.choice(_ENLARGING))
    return np.asarray(cv2.resize(small, size, interpolation=kernel), dtype=np.float32)


def _blur(pixels: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.float32)


def _unsharp(pixels: Floats, dice: Dice, *, strongest: float) -> Floats:
    amount = np.float32(dice.uniform(0.2, strongest))
    return pixels + amount * (pixels - _blur(pixels, float(dice.uniform(0.5, 2.5))))


def _convolve(channels: Floats, count: int, dice: Dice) -> Floats:
    """Returns `count` random 3x3 mixtures of `channels` (H, W, C) as (H, W, count)."""
    size = channels.shape[2]
    weights = dice.standard_normal((count, size, 3, 3), dtype=np.float32)
    weights /= np.float32(np.sqrt(9 * size))
    planes = [np.ascontiguousarray(channels[..., channel]) for channel in range(size)]
    mixed = [
        np.sum([cv2.filter2D(p, -1, k) for p, k in zip(planes, kernels, strict=True)], axis=0)
        for kernels in weights
    ]
    return np.stack(mixed, axis=2).astype(np.float32)


def _shuffle(channels: Floats, step: int) -> Floats:
    """Turns (H, W, 3 * step**2) into (step * H, step * W, 3): the pixel shuffle of Shi et al."""
    height, width = channels.shape[:2]
    blocks = channels.reshape(height, width, step, step, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(blocks.reshape(height * step, width * step, 3))
