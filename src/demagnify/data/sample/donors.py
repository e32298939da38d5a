"""What is done to which photograph, and whose face it gets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from demagnify.data.sample.geometry import MEAN_FACE
from demagnify.data.sample.portraits import Portrait

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


def generator(seed: int, purpose: str, name: str) -> np.random.Generator:
    """Returns the source of randomness for one purpose and one photograph."""
    digest = hashlib.sha256(f"{purpose}\0{name}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def choose(portraits: Sequence[Portrait], *, seed: int) -> list[Recipe]:
    """Returns a recipe for each of the portraits of one split, donors out of the same split.

    A donor's face is turned like the target's; of those it is drawn from the few that look most
    alike: same light, same colour, as sharp, and with glasses or a beard where the target has
    them. Where nobody is turned alike, or the face is turned so far that the outline of the nose
    is part of its own, the fake becomes a self-blend.
    """
    return [_choose_one(target, portraits, seed) for target in portraits]


def _choose_one(target: Portrait, portraits: Sequence[Portrait], seed: int) -> Recipe:
    rng = generator(seed, "recipe", target.name)
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
    light = _distance(donor.look, target.look) / 16
    colour = _distance(donor.colour, target.colour)
    return light + 0.25 * colour + 4.0 * abs(donor.sharpness - target.sharpness)


def _distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(first - second))
