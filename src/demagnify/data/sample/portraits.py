"""Portraits for the sample set, one face each, and the choice of methods and donors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.face_finding import Face, FaceFinder, Square, crop, square
from demagnify.data.sample import geometry
from demagnify.data.sample.geometry import MEAN_FACE, Points

SURROUNDINGS: Final = 0.75
LONGEST_SIDE: Final = 448
SMALLEST_FACE: Final = 48


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """The largest face of a photograph: its place, pose and appearance.

    Attributes:
        name: The photograph's name: its path below the folder, without suffix.
        path: The photograph's file.
        frame: The region around the face that is worked on.
        face: The face, in pixels of the portrait.
        pose: (5, 2), its landmarks without size, place and tilt.
        thumbnail: (256,), 16x16 pixels of lightness, as the difference from its mean.
        colour: (3,), its mean Lab colour.
        sharpness: Logarithm of the strength of its fine detail.
    """

    name: str
    path: Path
    frame: Square
    face: Face
    pose: Points
    thumbnail: NDArray[np.float64]
    colour: NDArray[np.float64]
    sharpness: float

    @property
    def landmarks(self) -> Points:
        """The five landmarks, float64 (5, 2), in pixels of the portrait."""
        return self.face.landmarks.astype(np.float64)

    def pixels(self) -> Pixels:
        """Decodes the photograph and returns the portrait, uint8 RGB (S, S, 3)."""
        return _frame(images.load(self.path), self.frame)

    def crop(self, pixels: Pixels, size: int) -> Pixels:
        """Cuts the face out of the portrait, or out of a fake made of it; (size, size, 3)."""
        return crop(pixels, self.face, size=size)


def find_portrait(path: Path, name: str, finder: FaceFinder) -> Portrait:
    """Finds the largest face of a photograph.

    Raises:
        BadImageError: If the file cannot be read, has no face, or only one of less than 48 pixels.
    """
    photo = images.load(path)
    faces = finder.find(photo)
    if not faces:
        raise BadImageError("no face was found")
    if min(faces[0].box[2:]) < SMALLEST_FACE:
        raise BadImageError(f"the largest face has less than {SMALLEST_FACE} pixels")
    frame = square(faces[0], photo.shape, margin=SURROUNDINGS)
    face = _in_frame(faces[0], frame)
    landmarks = face.landmarks.astype(np.float64)
    lab = _aligned_lab(_frame(photo, frame), landmarks)
    lightness = cv2.resize(lab[..., 0], (16, 16), interpolation=cv2.INTER_AREA)
    detail = cv2.Laplacian(lab[..., 0], cv2.CV_32F)
    return Portrait(
        name=name,
        path=path,
        frame=frame,
        face=face,
        pose=geometry.pose(landmarks),
        thumbnail=(lightness - lightness.mean()).ravel().astype(np.float64),
        colour=lab.mean(axis=(0, 1), dtype=np.float64),
        sharpness=float(np.log(detail.std() + 1e-3)),
    )


def _scale(frame: Square) -> float:
    return min(1.0, LONGEST_SIDE / frame.side)


def _frame(photo: Pixels, frame: Square) -> Pixels:
    x, y, side = frame
    cut = photo[y : y + side, x : x + side]
    return images.fit(np.ascontiguousarray(cut), min(side, LONGEST_SIDE))


def _in_frame(face: Face, frame: Square) -> Face:
    scale = _scale(frame)
    left, top, width, height = face.box
    box = ((left - frame.x) * scale, (top - frame.y) * scale, width * scale, height * scale)
    corner = np.array(frame[:2], dtype=np.float32)
    return Face(box, (face.landmarks - corner) * np.float32(scale), face.score)


def _aligned_lab(pixels: Pixels, landmarks: Points) -> NDArray[np.float32]:
    """Returns the inner face in Lab, float32 (64, 64, 3), upright and at one size."""
    # 32 pixels from eye to eye; from the brows to the mouth, and no hair at the sides.
    places = (geometry.MEAN_FACE + np.array([1.0, 0.45])) * 32
    matrix = geometry.similarity(landmarks, places)
    inner = cv2.warpAffine(
        pixels, matrix, (64, 64), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(inner.astype(np.float32) / 255, cv2.COLOR_RGB2Lab))


Method = Literal["feather", "poisson", "self-blend"]

METHODS: Final[tuple[Method, ...]] = ("feather", "poisson", "self-blend")
SHARES: Final = (0.35, 0.35, 0.3)

_CANDIDATES: Final = 5
_MOST_TURNED: Final = 0.33
_WORST_POSE: Final = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How one fake is made.

    Attributes:
        target: The photograph that is changed.
        method: How.
        donor: Whose face it gets; None for a self-blend.
    """

    target: Portrait
    method: Method
    donor: Portrait | None


def rng_for(seed: int, purpose: str, name: str) -> np.random.Generator:
    """Returns the random generator for one purpose and one photograph."""
    digest = hashlib.sha256(f"{purpose}\0{name}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def choose_donors(portraits: Sequence[Portrait], *, seed: int) -> list[Recipe]:
    """Returns a recipe for each of the portraits of one split, donors out of the same split.

    A donor's face is turned like the target's; of those it is drawn from the few that look most
    alike: same light, same colour, as sharp, and with glasses or a beard where the target has
    them. Where no donor is turned alike, or the face is turned so far that the outline of the nose
    is part of its own, the fake becomes a self-blend.
    """
    return [_choose_one(target, portraits, seed) for target in portraits]


def _choose_one(target: Portrait, portraits: Sequence[Portrait], seed: int) -> Recipe:
    rng = rng_for(seed, "recipe", target.name)
    method = METHODS[rng.choice(len(METHODS), p=SHARES)]
    alike = [
        donor
        for donor in portraits
        if donor is not target and _distance(donor.pose, target.pose) < _WORST_POSE
    ]
    if method == "self-blend" or not alike or _turn(target) > _MOST_TURNED:
        return Recipe(target, "self-blend", None)
    nearest = sorted(alike, key=lambda donor: _unlikeness(donor, target))[:_CANDIDATES]
    return Recipe(target, method, nearest[rng.integers(len(nearest))])


def _turn(portrait: Portrait) -> float:
    """How far the face is turned from the camera: landmarks against those of a frontal face."""
    return _distance(portrait.pose, MEAN_FACE)


def _unlikeness(donor: Portrait, target: Portrait) -> float:
    """How little two faces look alike, in steps of lightness (0-100)."""
    light = _distance(donor.thumbnail, target.thumbnail) / 16
    colour = _distance(donor.colour, target.colour)
    return light + 0.25 * colour + 4.0 * abs(donor.sharpness - target.sharpness)


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(first - second))
