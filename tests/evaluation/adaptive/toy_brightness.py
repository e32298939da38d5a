"""Attacks that move pixels by so many levels, and a detector whose score is brightness."""

import numpy as np
import torch

from demagnify.data import FaceDataset
from demagnify.transforms.base import Transform


class Shift(Transform):
    """Makes every pixel brighter by so many levels; counts what it does."""

    def __init__(self, levels, name=None):
        self.label = name or f"shift{levels:+d}"
        self.levels = levels
        self.images = 0

    @property
    def name(self):
        return self.label

    def apply(self, images, rngs=()):
        self.images += len(images)
        return (images.int() + self.levels).clamp(0, 255).to(torch.uint8)

    def fingerprint(self):
        return f"shift {self.levels}"


class Brightness:
    """A detector to which bright means fake; counts what it classifies."""

    name = "brightness"
    device = None

    def __init__(self, threshold=100.0, stop_after=None):
        self.threshold = threshold
        self.images = 0
        self.batches = []
        self.stop_after = stop_after

    def logits(self, images, *, batch_size=64):
        if self.stop_after is not None and self.images >= self.stop_after:
            raise KeyboardInterrupt
        self.images += len(images)
        self.batches.append(len(images))
        return images.float().mean(dim=(1, 2, 3))

    def fingerprint(self):
        return "brightness"


def grey_faces(levels, labels, size=16):
    """Faces of one grey level each; every two neighbours are a group."""
    pixels = np.broadcast_to(
        np.array(levels, dtype=np.uint8)[:, None, None, None], (len(levels), 3, size, size)
    ).copy()
    return FaceDataset.from_arrays(pixels, labels, [f"g{row // 2}" for row in range(len(levels))])
