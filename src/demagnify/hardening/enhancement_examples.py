"""Captured and enhanced faces in pairs, re-encoded and resized alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core.images import Pixels
from demagnify.core.rng import generator
from demagnify.data.dataset import FaceDataset
from demagnify.hardening.enhancement_features import SMALLEST, TILE, describe
from demagnify.transforms.kernels import opencv_jpeg

FAMILIES: Final = ("least-error", "adversarial", "real-world", "transformer")
"""Kinds of networks: trained for least error; against a discriminator (SRGAN); for degraded
photographs (Real-ESRGAN); transformers."""
FACTORS: Final = (2, 3, 4)

_FAMILY_OF: Final = {
    "srresnet": "least-error",
    "edsr-liif": "least-error",
    "srmd": "least-error",
    "waifu2x-photo": "least-error",
    "faithful": "least-error",
    "srgan": "adversarial",
    "inventing": "adversarial",
    "realesr-compact": "real-world",
    "realesrgan": "real-world",
    "restoring": "real-world",
    "painting": "real-world",
    "enhancing": "real-world",
    "dat-light": "transformer",
}
_BLENDED: Final = 0.15
"""How often a rebuilt face is blended with the original, as enhancers with a strength do."""
_SHRINKING: Final = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
_ENLARGING: Final = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)

Rng = np.random.Generator
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def family_of(network: str) -> str | None:
    """Returns the family of a network by its name; None for one that nobody has sorted.

    Example:
        >>> family_of("srgan-x4"), family_of("painting-x2-8"), family_of("mine.pth")
        ('adversarial', 'real-world', None)
    """
    return next((kind for name, kind in _FAMILY_OF.items() if network.startswith(name)), None)


def factor_of(network: str) -> int | None:
    """Returns the factor of a network by its name: 4 for "srgan-x4"; None if it has none."""
    found = [factor for factor in FACTORS if f"-x{factor}" in network]
    return found[0] if found else None


@dataclass(frozen=True)
class Enhanced:
    """The first faces of a set, rebuilt by one network.

    Attributes:
        network: Its name.
        images: uint8 (n, 3, S, S); row i is row i of the set.
    """

    network: str
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class FaceSet:
    """Faces of one size, as captured and as each network rebuilds them.

    Attributes:
        name: For messages.
        captured: uint8 (N, 3, S, S).
        labels: (N,), real 0 and fake 1; used to draw both equally often, and for nothing else.
        enhanced: The rebuilt faces.
        faces: The captured faces as a data set.
    """

    name: str
    captured: NDArray[np.uint8]
    labels: Integers
    enhanced: tuple[Enhanced, ...]
    faces: FaceDataset


class Delivered(NamedTuple):
    """How a face was stored: its new size as a share, and the quality of JPEG; None for neither."""

    size: float | None
    quality: int | None


class Described(NamedTuple):
    """Features (N, F) with their answers; -1 for a family or factor that is not known."""

    features: Floats
    enhanced: Integers
    families: Integers
    factors: Integers


class Pair(NamedTuple):
    """One face as captured and as enhanced, delivered in the same way; uint8 RGB (H, W, 3)."""

    captured: Pixels
    enhanced: Pixels
    network: str
    label: int


def draw_pairs(sets: Sequence[FaceSet], *, seed: int, draws: int = 1) -> Iterator[Pair]:
    """Draws pairs: every rebuilt face of every set, each so many times; see `draw_pair`."""
    for faces in sets:
        for version in faces.enhanced:
            purpose = f"enhancement pairs {faces.name} {version.network}"
            for row in range(len(version.images)):
                for draw in range(draws):
                    rng = generator(seed, purpose, row, draw)
                    pair = draw_pair(faces.captured[row], version.images[row], rng)
                    yield Pair(*pair, version.network, int(faces.labels[row]))


def draw_pair(
    captured: NDArray[np.uint8], enhanced: NDArray[np.uint8], rng: Rng, how: Delivered | None = None
) -> tuple[Pixels, Pixels]:
    """Delivers a face as captured and as enhanced in the same way, and cuts the same part out.

    The two share face, place and codec, so that neither the person, nor real or fake, nor the
    compression tells them apart. Resizing with a plain filter is no enhancement: some captured
    faces are shrunk and enlarged again, or sharpened. The part lies inside of the borders, which
    networks rebuild otherwise, and off the grid of their upsampling.

    Args:
        captured: uint8 (3, S, S).
        enhanced: The same face rebuilt.
        rng: Of all draws.
        how: How both are delivered; drawn if None, and some enhanced faces are blended then.
    """
    original = upright(captured)
    pair = [plain(original, rng), upright(enhanced)]
    if how is None:
        if rng.random() < _BLENDED:
            pair[1] = blend(pair[1], original, rng.uniform(0.6, 0.95))
        how = draw_delivery(rng, len(original))
    side = max(SMALLEST, min(TILE, len(original) - 4))
    room = len(original) - side - 1
    top, left = rng.integers(2, room, 2) if room > 2 else (0, 0)
    parts = [np.ascontiguousarray(one[top : top + side, left : left + side]) for one in pair]
    first, second = same_part([deliver(one, how) for one in parts], TILE, rng)
    return first, second


def describe_pairs(pairs: Iterable[Pair]) -> Described:
    """Describes pairs: the captured one and the enhanced one of each in turn."""
    features: list[Floats] = []
    families: list[int] = []
    factors: list[int] = []
    for pair in pairs:
        features += [describe(pair.captured), describe(pair.enhanced)]
        family, factor = family_of(pair.network), factor_of(pair.network)
        families += [-1, -1 if family is None else FAMILIES.index(family)]
        factors += [-1, -1 if factor is None else FACTORS.index(factor)]
    enhanced = np.arange(len(features)) % 2
    return Described(np.stack(features), enhanced, np.array(families), np.array(factors))


def joined(parts: Iterable[Described]) -> Described:
    """Returns the rows of all parts."""
    return Described(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def plain(pixels: Pixels, rng: Rng) -> Pixels:
    """Returns a face after what happens to captured ones: mostly nothing, else plain filters."""
    chance = rng.random()
    if chance < 0.5:
        return pixels
    if chance < 0.85:  # shrunk and enlarged again, as an attacker without a network does
        factor = (2.0, 4.0, rng.uniform(1.2, 4.0))[rng.integers(3)]
        side = max(8, round(len(pixels) / factor))
        shrinking, enlarging = rng.choice(_SHRINKING), rng.choice(_ENLARGING)
        small = cv2.resize(pixels, (side, side), interpolation=int(shrinking))
        back = (len(pixels), len(pixels))
        return _pixels(cv2.resize(small, back, interpolation=int(enlarging)))
    if chance < 0.93:
        soft = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.6, 1.5))
        amount = rng.uniform(0.3, 1.0)
        return _pixels(cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0))
    return _pixels(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.2)))


def blend(enhanced: Pixels, original: Pixels, share: float) -> Pixels:
    """Returns the enhanced face over the original, as enhancers with a strength do."""
    return _pixels(cv2.addWeighted(enhanced, share, original, 1 - share, 0))


def draw_delivery(rng: Rng, side: int) -> Delivered:
    """Draws how a face is stored: as it is, as JPEG of quality 60 to 95, resized, or both."""
    resized = rng.random() < 0.25 and side > SMALLEST
    size = float(rng.uniform(max(0.6, SMALLEST / side), 1.5)) if resized else None
    quality = int(rng.integers(60, 96)) if rng.random() < 0.5 else None
    return Delivered(size, quality)


def deliver(pixels: Pixels, how: Delivered) -> Pixels:
    """Returns a face as it is stored."""
    if how.size is not None:
        side = round(len(pixels) * how.size)
        kernel = cv2.INTER_AREA if how.size < 1 else cv2.INTER_CUBIC
        pixels = _pixels(cv2.resize(pixels, (side, side), interpolation=kernel))
    return pixels if how.quality is None else opencv_jpeg(pixels, how.quality)


def same_part(pair: Sequence[Pixels], side: int, rng: Rng) -> list[Pixels]:
    """Cuts the same random square out of both; the whole where they are smaller."""
    top, left = rng.integers(0, max(1, len(pair[0]) - side + 1), 2)
    return [one[top : top + side, left : left + side] for one in pair]


def upright(face: NDArray[np.uint8]) -> Pixels:
    """Returns a face (3, H, W) as (H, W, 3)."""
    return np.ascontiguousarray(face.transpose(1, 2, 0))


def _pixels(array: object) -> Pixels:
    return np.asarray(array, dtype=np.uint8)
