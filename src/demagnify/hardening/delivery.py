"""How an attacker delivers a rebuilt face: at its size in the photograph, blended, as JPEG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch

from demagnify.core.images import Pixels, from_batch, to_batch
from demagnify.core.specs import Wrapper
from demagnify.transforms.base import Rngs, Transform
from demagnify.transforms.degradations import Degradation, Floats, compressed, rounded
from demagnify.transforms.kernels import threads

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
class Delivery(Wrapper, Transform):
    """A transform of a face in its own size, finished as attackers do; runs on the CPU.

    The size of the face in its photograph, blending and JPEG are drawn. Nothing is rounded between
    the steps, except for transforms that take 8-bit images.
    """

    family = "delivery"
    uses = ()
    random = True
    inner: Transform  # a filter, a surrogate network, or any attack

    def fingerprint(self) -> str:
        """Returns the fingerprint of the transform, delivered."""
        return f"{self.family} v{self.version} [{self.inner.fingerprint()}]"

    def apply(self, images: torch.Tensor, rngs: Rngs = ()) -> torch.Tensor:
        """Returns the delivered faces."""
        pixels = [face.astype(np.float32) for face in from_batch(images)]
        faces = list(threads().map(_at_own_size, pixels, rngs))
        rebuilt = list(self._rebuilt(faces, rngs))
        delivered = list(threads().map(_finished, rebuilt, faces, pixels, rngs))
        return to_batch(delivered).to(images.device)

    def _rebuilt(self, faces: Sequence[Floats], rngs: Rngs) -> Iterable[Floats]:
        if isinstance(self.inner, Degradation):
            return threads().map(self.inner.degrade, faces, rngs)
        rebuilt: list[Floats] = list(faces)
        sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, face in enumerate(faces):
            sizes[face.shape].append(number)
        for numbers in sizes.values():
            batch = to_batch([rounded(faces[number]) for number in numbers])
            few = [rngs[number] for number in numbers] if self.inner.random else None
            attacked = from_batch(self.inner(batch, rngs=few))
            for number, one in zip(numbers, attacked, strict=True):
                rebuilt[number] = one.astype(np.float32)
        return rebuilt


def _at_own_size(pixels: Floats, rng: np.random.Generator) -> Floats:
    height, width = pixels.shape[:2]
    part = rng.uniform(0.45, 0.95) if rng.random() < _SMALLER else 1.0
    part = min(1.0, max(part, _SMALLEST_FACE / min(height, width)))
    return resize(pixels, round(width * part), round(height * part))


def _finished(rebuilt: Floats, face: Floats, pixels: Floats, rng: np.random.Generator) -> Pixels:
    if rng.random() < _BLENDED:
        rebuilt = face + np.float32(rng.uniform(0.5, 0.95)) * (rebuilt - face)
    if rng.random() < _STORED:
        rebuilt = compressed(rebuilt, rng)
    return rounded(resize(rebuilt, pixels.shape[1], pixels.shape[0]))


def magnified(
    face: Floats, enlarge: Callable[[Floats], Floats], scale: int, rng: np.random.Generator
) -> Floats:
    """Shrinks a face and lets a network enlarge it: adversarial magnification."""
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
