"""How an attacker delivers a rebuilt face: at its size in the photograph, blended, as JPEG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from demagnify.transforms.degradations import Filter as Degradation
from demagnify.transforms.degradations import Floats, compressed

_SMALLEST: Final = 8
"""Pixels of the smallest side that a network gets."""
_SMALLEST_FACE: Final = 64
"""Pixels of the smallest side of a face in its photograph."""
_SMALLER: Final = 0.4
"""How often a face is attacked at a smaller size than the detector's, and enlarged later."""
_OTHER_FACTOR: Final = 0.3
"""How often it is shrunk by another factor than the network enlarges."""
_BLENDED: Final = 0.25
"""How often the rebuilt face is blended with the original, as enhancers do."""
_STORED: Final = 0.3
"""How often the result is stored as JPEG."""


@dataclass(frozen=True)
class Delivery:
    """A degradation of a face in its own size, finished as attackers do.

    Attributes:
        rebuild: Degrades the face: a filter, or shrinking and rebuilding by a network.
    """

    rebuild: Degradation

    def __call__(self, pixels: Floats, rng: np.random.Generator) -> Floats:
        """Degrades float32 RGB (H, W, 3), 0-255; size, blending and JPEG are drawn."""
        height, width = pixels.shape[:2]
        part = rng.uniform(0.45, 0.95) if rng.random() < _SMALLER else 1.0
        part = min(1.0, max(part, _SMALLEST_FACE / min(height, width)))
        face = resize(pixels, round(width * part), round(height * part))
        rebuilt = self.rebuild(face, rng)
        if rng.random() < _BLENDED:
            rebuilt = face + np.float32(rng.uniform(0.5, 0.95)) * (rebuilt - face)
        if rng.random() < _STORED:
            rebuilt = compressed(rebuilt, rng)
        return resize(rebuilt, width, height)


def magnified(
    face: Floats, enlarge: Callable[[Floats], Floats], scale: int, rng: np.random.Generator
) -> Floats:
    """Shrinks a face and lets a network enlarge it: adversarial magnification.

    Args:
        face: float32 RGB (H, W, 3), 0-255.
        enlarge: Maps float32 RGB (h, w, 3), 0-255, to (scale * h, scale * w, 3).
        scale: By how much it enlarges; now and then the face is shrunk by another factor.
        rng: Draws that factor.

    Returns:
        float32 RGB (H, W, 3), 0-255.
    """
    factor = rng.uniform(1.5, 4.5) if rng.random() < _OTHER_FACTOR else scale
    height, width = face.shape[:2]
    sides = (max(_SMALLEST, round(side / factor)) for side in (width, height))
    return resize(enlarge(resize(face, *sides)), width, height)


def resize(pixels: Floats, width: int, height: int) -> Floats:
    """Resizes by area averaging where it shrinks, else bicubic, as attacks do."""
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    shrinks = width < pixels.shape[1]
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=kernel), dtype=np.float32)
