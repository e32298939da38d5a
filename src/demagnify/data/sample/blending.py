"""Laying one face over another: colours, soft edges, gradients."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.images import Pixels

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
