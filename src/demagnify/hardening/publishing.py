"""What an attacker publishes: a face that was rebuilt, in one of the many ways of doing so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from demagnify.transforms.degradations.kinds import Degradation, Dice, Floats, compressed

_SMALLEST: Final = 8
"""Pixels of the smallest side that a network is fed."""
_SMALLEST_FACE: Final = 64
"""Pixels of the smallest side of a face in its photograph."""
_OWN_SIZE: Final = 0.4
"""How often a face is attacked at a smaller size than the detector's, and enlarged later."""
_OTHER_FACTOR: Final = 0.3
"""How often it is shrunk by another factor than the network enlarges."""
_BLENDED: Final = 0.25
"""How often the rebuilt face is laid over the original half-transparent, as enhancers do."""
_STORED: Final = 0.3
"""How often the result is stored as JPEG."""


@dataclass(frozen=True)
class Published:
    """A degradation of a face in its own size, finished as attackers do; a `Degradation` too.

    Attributes:
        rebuild: What is done to the face: a filter, or shrinking and rebuilding by a network.
    """

    rebuild: Degradation

    def __call__(self, pixels: Floats, dice: Dice) -> Floats:
        """Returns what is published of float32 RGB (H, W, 3), 0-255.

        The size of the face in its photograph, blending and JPEG are drawn.
        """
        height, width = pixels.shape[:2]
        part = dice.uniform(0.45, 0.95) if dice.random() < _OWN_SIZE else 1.0
        part = min(1.0, max(part, _SMALLEST_FACE / min(height, width)))
        face = resize(pixels, round(width * part), round(height * part))
        rebuilt = self.rebuild(face, dice)
        if dice.random() < _BLENDED:
            rebuilt = face + np.float32(dice.uniform(0.5, 0.95)) * (rebuilt - face)
        if dice.random() < _STORED:
            rebuilt = compressed(rebuilt, dice)
        return resize(rebuilt, width, height)


def magnified(face: Floats, enlarge: Callable[[Floats], Floats], scale: int, dice: Dice) -> Floats:
    """Shrinks a face and lets a network enlarge it: adversarial magnification.

    Args:
        face: float32 RGB (H, W, 3), 0-255.
        enlarge: Maps float32 RGB (h, w, 3), 0-255, to (scale * h, scale * w, 3).
        scale: By how much it enlarges; now and then the face is shrunk by another factor.
        dice: Draws that factor.

    Returns:
        float32 RGB (H, W, 3), 0-255.
    """
    factor = dice.uniform(1.5, 4.5) if dice.random() < _OTHER_FACTOR else scale
    height, width = face.shape[:2]
    sides = (max(_SMALLEST, round(side / factor)) for side in (width, height))
    return resize(enlarge(resize(face, *sides)), width, height)


def resize(pixels: Floats, width: int, height: int) -> Floats:
    """Area averaging where it shrinks, else bicubic, as attacks do."""
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    shrinks = width < pixels.shape[1]
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=kernel), dtype=np.float32)
