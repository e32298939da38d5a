"""Photographs that no two seeds share, and a finder that knows where their faces are."""

import numpy as np
from PIL import Image

from demagnify.data.face_finding import Face


def photograph(seed=0, height=60, width=80):
    """Smooth shapes with grain: pixels uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


class ToyFinder:
    """Finds two faces in any photograph but an even one: a large one over the border, a small."""

    def find(self, pixels):
        if pixels.std(axis=(0, 1)).max() < 5:
            return []
        height, width = pixels.shape[:2]
        marks = np.zeros((5, 2), dtype=np.float32)
        large = (-4.0, -3.0, width * 0.8, height * 0.8)
        small = (width * 0.55, height * 0.5, width * 0.4, height * 0.4)
        return [Face(large, marks, 0.9), Face(small, marks, 0.8)]
