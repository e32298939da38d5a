"""Fakes: face swaps and self-blended images, with their colours, soft edges and gradients.

Self-blended images are those of Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended
Images", CVPR 2022. One thing is different: their colour and sharpness changes fall on either copy;
here always on the one that is blended in, so that everything outside the mask stays the real
photograph.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.images import Pixels
from demagnify.data.sample import geometry
from demagnify.data.sample.geometry import Points

Mask = NDArray[np.float32]


def match_colours(source: Pixels, target: Pixels, mask: Mask, *, strength: float = 1.0) -> Pixels:
    """Gives `source` the colours that `target` has inside the mask.

    Mean and spread of each Lab channel are carried over: Reinhard et al., "Color transfer between
    images", 2001.

    Args:
        source: uint8 RGB (H, W, 3), changed everywhere.
        target: uint8 RGB (H, W, 3), whose colours are wanted.
        mask: float32 (H, W); where it is above 0.5 both are measured.
        strength: Share of the way to go, 0 to 1.
    """
    inside = mask > 0.5
    ours, theirs = (_to_lab(pixels) for pixels in (source, target))
    mean, spread = ours[inside].mean(axis=0), ours[inside].std(axis=0)
    wanted, wanted_spread = theirs[inside].mean(axis=0), theirs[inside].std(axis=0)
    # Without bounds a flat face would have its noise blown up.
    gain = np.clip(wanted_spread / np.maximum(spread, 1e-3), 0.6, 1.5)
    matched = (ours - mean) * gain + wanted
    return _to_rgb(ours + strength * (matched - ours))


def soften(mask: Mask, width: float) -> Mask:
    """Returns a mask that falls from 1 to 0 over about `width` pixels inside its old edge."""
    sigma = max(width, 0.6) / 2
    reach = 2 * max(1, round(1.5 * sigma)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    blurred = cv2.GaussianBlur(inner, (0, 0), sigma)
    return np.asarray(np.minimum(blurred, mask), dtype=np.float32)


def mix(source: Pixels, target: Pixels, mask: Mask) -> Pixels:
    """Returns `source` where the mask is 1, `target` where it is 0, and a mixture between."""
    weight = mask[..., None]
    return np.rint(weight * source + (1 - weight) * target).astype(np.uint8)


def clone(source: Pixels, target: Pixels, mask: Mask) -> Pixels:
    """Carries the gradients of `source` into `target`: Pérez et al., "Poisson image editing", 2003.

    What lies on the border of the image stays as it is.
    """
    region = np.where(mask > 0.5, np.uint8(255), np.uint8(0))
    region[:2] = region[-2:] = 0
    region[:, :2] = region[:, -2:] = 0
    x, y, width, height = cv2.boundingRect(region)
    if min(width, height) < 3:
        return target.copy()
    centre = (x + width // 2, y + height // 2)
    cloned = cv2.seamlessClone(source, target, region, centre, cv2.NORMAL_CLONE)
    return np.asarray(cloned, dtype=np.uint8)


def _to_lab(pixels: Pixels) -> NDArray[np.float32]:
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab, dtype=np.float32)


def _to_rgb(lab: NDArray[np.float32]) -> Pixels:
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2RGB)
    return np.rint(np.clip(rgb, 0.0, 1.0) * 255).astype(np.uint8)


Blend = Literal["feather", "poisson"]


def swap_face(
    target: Pixels,
    target_landmarks: Points,
    donor: Pixels,
    donor_landmarks: Points,
    *,
    blend: Blend,
    rng: np.random.Generator,
) -> tuple[Pixels, Mask]:
    """Replaces the inner face of `target` by that of `donor`, aligned on the landmarks.

    Region, width of the soft edge and strength of the colour match are drawn from `rng`, so that
    some swaps are good and some are not.

    Args:
        target: uint8 RGB (H, W, 3).
        target_landmarks: (5, 2), as `demagnify.data.face_finding.Face` has them.
        donor: uint8 RGB of any size.
        donor_landmarks: (5, 2).
        blend: "feather" mixes pixels over a soft edge, "poisson" carries over gradients.
        rng: Where the variation comes from.

    Returns:
        The fake, uint8 (H, W, 3), and the mask, float32 (H, W), that is 0 wherever the fake is
        the target still.
    """
    height, width = target.shape[:2]
    eyes = geometry.eye_distance(target_landmarks)
    region = geometry.face_region(target_landmarks, (height, width), rng)
    warped, known = _align(donor, geometry.affine(donor_landmarks, target_landmarks), target)
    region = np.minimum(region, known)
    coloured = match_colours(warped, target, region, strength=rng.uniform(0.85, 1.0))
    edge = eyes * rng.uniform(0.12, 0.4)
    if blend == "poisson":
        # A narrow soft edge over the seam: gradients meet there, but noise does not.
        coloured = clone(coloured, target, region)
        edge = eyes * rng.uniform(0.06, 0.16)
    mask = soften(region, edge)
    return mix(coloured, target, mask), mask


def _align(donor: Pixels, matrix: geometry.Matrix, target: Pixels) -> tuple[Pixels, Mask]:
    """Warps the donor onto the target; the mask is 1 where the donor's photograph has pixels."""
    size = (target.shape[1], target.shape[0])
    warped = cv2.warpAffine(
        donor, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    inside = np.ones(donor.shape[:2], dtype=np.float32)
    known = cv2.warpAffine(inside, matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(warped, dtype=np.uint8), np.asarray(known, dtype=np.float32)


RATIOS: Final = (0.5, 0.75, 1.0, 1.0, 1.0)


def self_blend(
    target: Pixels, landmarks: Points, *, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """Makes a fake of one photograph alone: blended with a slightly different copy of itself.

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
    mask = soften(region, edge) * np.float32(rng.choice(RATIOS))
    return mix(source, target, mask), mask


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
