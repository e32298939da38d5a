"""Self-blended images: a photograph blended with a slightly different copy of itself.

Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022. One thing is
different: their colour and sharpness changes fall on either copy; here always on the one that is
blended in, so that everything outside the mask stays the real photograph.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.images import Pixels
from demagnify.data.sample import blending, geometry
from demagnify.data.sample.blending import Mask
from demagnify.data.sample.geometry import Points

RATIOS: Final = (0.5, 0.75, 1.0, 1.0, 1.0)


def self_blend(
    target: Pixels, landmarks: Points, *, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """Makes a fake of one photograph alone.

    Args:
        target: uint8 RGB (H, W, 3).
        landmarks: (5, 2), as `demagnify.data.face_finding.Face` has them.
        rng: Where the variation comes from.

    Returns:
        The fake, uint8 (H, W, 3), and the mask, float32 (H, W), that is 0 wherever the fake is
        the target still.
    """
    height, width = target.shape[:2]
    eyes = geometry.eye_distance(landmarks)
    region = _deform(geometry.face_region(landmarks, (height, width), rng), eyes, rng)
    source = _nudge(_resharpen(_recolour(target, rng), rng), landmarks, rng)
    edge = eyes * rng.uniform(0.1, 0.45)
    mask = blending.soften(region, edge) * np.float32(rng.choice(RATIOS))
    return blending.mix(source, target, mask), mask


def _recolour(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shifts the channels, hue and saturation, brightness and contrast by a little."""
    shifted = np.clip(pixels + rng.uniform(-10, 10, size=3), 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(shifted, cv2.COLOR_RGB2HSV_FULL).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-3, 3)) % 256
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(0.85, 1.15), 0, 255)
    tinted = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB_FULL).astype(np.float32)
    mean = tinted.mean()
    contrasted = (tinted - mean) * rng.uniform(0.92, 1.08) + mean + rng.uniform(-10, 10)
    return np.asarray(np.rint(np.clip(contrasted, 0, 255)), dtype=np.uint8)


def _resharpen(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Sharpens, or shrinks and enlarges again, as generators and their post-processing do."""
    if rng.random() < 0.5:
        blurred = cv2.GaussianBlur(pixels, (0, 0), 1.2)
        amount = rng.uniform(0.3, 0.9)
        sharpened = cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0)
        return np.asarray(sharpened, dtype=np.uint8)
    height, width = pixels.shape[:2]
    share = 1 / rng.uniform(1.3, 2.2)
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, dtype=np.uint8)


def _nudge(pixels: Pixels, landmarks: Points, rng: np.random.Generator) -> Pixels:
    """Scales and shifts by up to 4 % of the face, about its middle."""
    centre, size = landmarks.mean(axis=0), 2 * geometry.eye_distance(landmarks)
    scale = np.diag(rng.uniform(0.96, 1.04, size=2))
    shift = centre - scale @ centre + rng.uniform(-0.03, 0.03, size=2) * size
    nudged = cv2.warpAffine(
        pixels,
        np.column_stack([scale, shift]),
        (pixels.shape[1], pixels.shape[0]),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(nudged, dtype=np.uint8)


def _deform(mask: Mask, eyes: float, rng: np.random.Generator) -> Mask:
    """Moves the mask's pixels about smoothly, by about a tenth of the distance of the eyes."""
    height, width = mask.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (_smooth_noise((height, width), eyes, rng) * 0.1 * eyes for _ in range(2))
    deformed = cv2.remap(
        mask, columns + across, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    return np.asarray(deformed, dtype=np.float32)


def _smooth_noise(
    shape: tuple[int, int], scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Returns noise of spread 1 that changes over about `scale` pixels."""
    coarse = tuple(max(4, round(side / scale) + 3) for side in shape)
    noise = rng.standard_normal(coarse, dtype=np.float32)
    smooth = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, dtype=np.float32)
