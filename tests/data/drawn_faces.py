"""Drawn faces, whose landmarks are known without any network."""

import cv2
import numpy as np

from demagnify.data.face_finding import Face

EYES = 40.0


def draw_face(seed, *, width=178, height=218, turn=0.0):
    """Draws a simple face; returns photograph and landmarks (5, 2).

    Args:
        seed: Chooses colours, noise, and small moves of the features.
        width: Width of the photograph.
        height: Height of the photograph.
        turn: How far the nose points sideways, in eye distances.
    """
    rng = np.random.default_rng(seed)
    centre = np.array([width / 2, height * 0.52])
    layout = np.array([[-0.5, 0], [0.5, 0], [turn, 0.58], [-0.42, 1.03], [0.42, 1.03]])
    marks = centre + (layout + rng.normal(0, 0.012, layout.shape)) * EYES
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = rng.integers(40, 220, 3)
    middle = tuple(int(v) for v in centre + np.array([0, 16]))
    skin = tuple(int(v) for v in rng.integers(120, 220, 3))
    cv2.ellipse(pixels, middle, (52, 68), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for (x, y), radius, shade in zip(marks, (6, 6, 5, 6, 6), (30, 30, 90, 70, 70), strict=True):
        colour = tuple(int(v) for v in np.clip(shade + rng.integers(-20, 60, 3), 0, 255))
        cv2.circle(pixels, (round(x), round(y)), radius, colour, -1, cv2.LINE_AA)
    grain = rng.normal(0, 5, pixels.shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8), marks


class DrawnFaceFinder:
    """Knows the faces that were drawn, by their pixels; finds none in other photographs."""

    def __init__(self):
        self.known = {}

    def add(self, pixels, marks):
        low, high = marks.min(axis=0), marks.max(axis=0)
        box = (*(low - 24), *(high - low + 48))
        face = Face(tuple(float(v) for v in box), marks.astype(np.float32), 0.9)
        self.known[pixels.tobytes()] = [face]

    def find(self, pixels):
        return self.known.get(pixels.tobytes(), [])
