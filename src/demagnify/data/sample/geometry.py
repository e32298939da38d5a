"""The geometry of a face, from its five landmarks.

Lengths are in eye distances of a mean frontal face, whose eyes lie at (-0.5, 0) and (0.5, 0),
y pointing down.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]

# Means over about 1,000 photographs, made symmetric: eyes, tip of the nose, corners of the mouth.
MEAN_FACE: Final[Points] = np.array(
    [[-0.5, 0.0], [0.5, 0.0], [0.0, 0.58], [-0.42, 1.03], [0.42, 1.03]]
)

# The region that a swap replaces, from brows to chin, within the outline of the face.
_CENTRE: Final = (0.0, 0.46)
_HALF_WIDTH: Final = 0.92
_HALF_HEIGHT: Final = 1.06


def similarity(source: Points, target: Points) -> Matrix:
    """Returns the rotation, scaling and shift (2, 3) that best takes `source` to `target`.

    Least squares over all points: Umeyama, "Least-squares estimation of transformation parameters
    between two point patterns", PAMI 1991; written as complex numbers.
    """
    start, end = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    around, aim = start - start.mean(), end - end.mean()
    turn = (np.conj(around) @ aim) / np.sum(np.abs(around) ** 2)
    shift = end.mean() - turn * start.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def affine(source: Points, target: Points) -> Matrix:
    """Returns the affine map (2, 3) that best takes `source` to `target`, by least squares."""
    padded = np.column_stack([source, np.ones(len(source))])
    return np.asarray(np.linalg.lstsq(padded, target, rcond=None)[0].T, dtype=np.float64)


def move(points: Points, matrix: Matrix) -> Points:
    """Applies an affine map (2, 3) to points (n, 2)."""
    moved: Points = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def pose(landmarks: Points) -> Points:
    """Returns landmarks (5, 2) with size, place and tilt taken out: what is left is the pose."""
    return move(landmarks, similarity(landmarks, MEAN_FACE))


def eye_distance(landmarks: Points) -> float:
    """Returns the distance between the eyes in pixels, made up for the turn of the head."""
    scale = similarity(MEAN_FACE, landmarks)
    return float(np.hypot(scale[0, 0], scale[1, 0]))


def face_region(
    landmarks: Points, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draws the region of the inner face, of a shape and size that `rng` varies.

    A superellipse between ellipse and rounded rectangle, with smooth dents, laid onto the
    landmarks; so no two fakes share a mask.

    Args:
        landmarks: (5, 2), in pixels.
        shape: Height and width of the mask.
        rng: Where the variation comes from.

    Returns:
        float32 (H, W), 1 inside and 0 outside.
    """
    angle = np.linspace(0.0, 2 * np.pi, 96, endpoint=False)
    roundness = 2.0 / rng.uniform(2.0, 2.9)
    waves = [
        rng.normal(0.0, 0.022) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5)
    ]
    radius = rng.uniform(0.9, 1.06) * (1.0 + np.sum(waves, axis=0))
    x, y = (np.sign(s) * np.abs(s) ** roundness for s in (np.cos(angle), np.sin(angle)))
    # A face narrows towards the chin.
    narrowing = 1.0 - rng.uniform(0.06, 0.16) * np.clip(y, 0.0, None)
    outline = np.column_stack(
        [_CENTRE[0] + _HALF_WIDTH * radius * x * narrowing, _CENTRE[1] + _HALF_HEIGHT * radius * y]
    )
    placed = move(outline, affine(MEAN_FACE, landmarks))
    mask = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(mask, [np.rint(placed * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return np.asarray(mask / 255, dtype=np.float32)
