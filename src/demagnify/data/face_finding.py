"""Find faces in photographs, cut them out, and put them back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core import assets
from demagnify.core.errors import BadConfigError, ImageContractError
from demagnify.core.images import Pixels, check_pixels, fit

MARGIN: Final = 0.1
SCORE_THRESHOLD: Final = 0.7

# YuNet knows faces of about 10 to 300 pixels: small ones are looked for in the photograph at
# (nearly) full size, ones that fill it in a small copy, which adds a sixteenth to the work.
_LONGEST_SIDES: Final = (1280, 320)
_LARGEST_KNOWN: Final = 320
"""Pixels of a face in a search; the box of a larger one is better where it is searched smaller."""
_SHORTEST_SIDE: Final = 32
_OVERLAP: Final = 0.3
_INSIDE: Final = 0.7
"""Share of a box inside of another, from which it is a part of that face."""
_MOST_FACES: Final = 1000

# OpenCV has one level for all threads.
_LOG_LEVEL: Final = threading.Lock()


Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face that was found, in pixels of the photograph.

    Attributes:
        box: Left, top, width, height; may reach over the border.
        landmarks: float32 (5, 2), x and y of: right eye, left eye, tip of the nose, right and
            left corner of the mouth (right and left are the person's own).
        score: How sure the finder is, 0 to 1.
    """

    box: Box
    landmarks: NDArray[np.float32]
    score: float


class Square(NamedTuple):
    """A square region of a photograph, in whole pixels."""

    x: int
    y: int
    side: int


class FaceFinder:
    """Finds faces with YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023).

    May be used from several threads at once; each gets a network of its own.

    Args:
        score_threshold: Faces with a lower score are left out, 0 to 1.

    Raises:
        BadConfigError: If the threshold is not between 0 and 1.
        AssetError: If YuNet is neither in the cache nor within reach.
    """

    def __init__(self, *, score_threshold: float = SCORE_THRESHOLD) -> None:
        if not 0.0 <= score_threshold <= 1.0:
            raise BadConfigError(f"score_threshold is between 0 and 1, not {score_threshold}")
        self.score_threshold = score_threshold
        self._file = str(assets.fetch("yunet"))
        self._local = threading.local()
        self._network()  # a damaged file is noticed here

    def find(self, pixels: Pixels) -> list[Face]:
        """Returns the faces in a photograph, the largest first.

        The photograph is searched at 1280 and at 320 pixels, and what is found twice is merged.
        Faces of less than about 1/100 of the longer side are not found.

        Args:
            pixels: uint8 RGB (H, W, 3).

        Raises:
            ImageContractError: If `pixels` is not a photograph.
        """
        check_pixels(pixels)
        longest = max(pixels.shape[:2])
        scales = sorted({min(1.0, side / longest) for side in _LONGEST_SIDES}, reverse=True)
        found = [
            (face, max(face.box[2:]) * scale)
            for scale in scales
            for face in self._find_at(pixels, scale)
        ]
        return sorted(_merged(found), key=lambda face: face.box[2] * face.box[3], reverse=True)

    def _find_at(self, pixels: Pixels, scale: float) -> list[Face]:
        height, width = pixels.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
        # Tiny photographs get a black border below and to the right: coordinates stay the same.
        below, right = (max(0, _SHORTEST_SIDE - side) for side in (size[1], size[0]))
        framed = cv2.copyMakeBorder(shrunk, 0, below, 0, right, cv2.BORDER_CONSTANT)
        bgr = cv2.cvtColor(framed, cv2.COLOR_RGB2BGR)
        network = self._network()
        network.setInputSize((bgr.shape[1], bgr.shape[0]))
        _, rows = network.detect(bgr)
        factors = np.array([width / size[0], height / size[1]], dtype=np.float32)
        return [] if rows is None else [_face(row, factors) for row in rows]

    def _network(self) -> cv2.FaceDetectorYN:
        """Returns this thread's network: OpenCV's keep what they compute with in themselves."""
        if not hasattr(self._local, "network"):
            with _quiet_opencv():
                self._local.network = cv2.FaceDetectorYN.create(
                    self._file, "", (320, 320), self.score_threshold, _OVERLAP, _MOST_FACES
                )
        return cast("cv2.FaceDetectorYN", self._local.network)


def overlap(first: Box, second: Box) -> float:
    """Returns the intersection over union (IoU) of two boxes."""
    shared = _shared(first, second)
    return shared / max(first[2] * first[3] + second[2] * second[3] - shared, 1e-9)


def _merged(found: Sequence[tuple[Face, float]]) -> list[Face]:
    """Returns each face once; `found` has its longer side in pixels of the search beside it."""
    best = sorted(found, key=lambda one: (min(1.0, _LARGEST_KNOWN / one[1]), one[0].score))
    kept: list[Face] = []
    for face, _ in reversed(best):
        if not any(_is_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _is_same(first: Box, second: Box) -> bool:
    """Whether two boxes are of one face: they overlap, or one is a part of the other."""
    smaller = min(first[2] * first[3], second[2] * second[3])
    return overlap(first, second) > _OVERLAP or _shared(first, second) > _INSIDE * smaller


def _shared(first: Box, second: Box) -> float:
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    down = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(across, 0.0) * max(down, 0.0)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silences OpenCV 5, which logs at each start the engines that it did not choose."""
    with _LOG_LEVEL:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)


def _face(row: NDArray[np.float32], factors: NDArray[np.float32]) -> Face:
    """Turns a row of YuNet (box, five points, score) into a face in the photograph's pixels."""
    points = row[:14].reshape(7, 2) * factors
    x, y, width, height = (float(value) for value in points[:2].ravel())
    return Face((x, y, width, height), points[2:], score=float(row[14]))


def square(face: Face, shape: tuple[int, ...], *, margin: float = MARGIN) -> Square:
    """Returns the square around a face, of which every pixel lies inside the photograph.

    See `square_around`.
    """
    return square_around(face.box, shape, margin=margin)


def square_around(box: Box, shape: tuple[int, ...], *, margin: float = MARGIN) -> Square:
    """Returns the square around a box, of which every pixel lies inside the photograph.

    The square is centred on the box; its side is the box's longer side and `margin` of it on
    either end. Near a border it is moved inwards, and where it is larger than the photograph it
    shrinks to the shorter side, so that no content is ever made up.

    Args:
        box: Left, top, width, height.
        shape: Shape of the photograph, (H, W, ...).
        margin: Share of the box's longer side that is added on each end.

    Raises:
        BadConfigError: If the margin is negative.
    """
    if margin < 0:
        raise BadConfigError(f"the margin around a face is 0 or more, not {margin}")
    height, width = shape[:2]
    left, top, box_width, box_height = box
    wanted = max(box_width, box_height) * (1 + 2 * margin)
    side = max(1, min(round(wanted), height, width))
    x = round(left + box_width / 2 - side / 2)
    y = round(top + box_height / 2 - side / 2)
    return Square(min(max(x, 0), width - side), min(max(y, 0), height - side), side)


def crop(pixels: Pixels, face: Face, *, margin: float = MARGIN, size: int | None = None) -> Pixels:
    """Cuts out the square around a face; see `square`.

    Args:
        pixels: The photograph, uint8 RGB (H, W, 3).
        face: The face.
        margin: Share of the box's longer side that is added on each end.
        size: Side to resize the crop to; None keeps the photograph's own pixels.

    Returns:
        uint8 RGB (S, S, 3), a copy.
    """
    x, y, side = square(face, check_pixels(pixels).shape, margin=margin)
    cut = pixels[y : y + side, x : x + side].copy()
    return cut if size is None else fit(cut, size)


def paste(photo: Pixels, face: Pixels, place: Square, *, feather: int = 0) -> Pixels:
    """Returns the photograph with a face crop put back in its place.

    Args:
        photo: uint8 RGB (H, W, 3); not changed.
        face: The crop, uint8 RGB (S, S, 3); resized where it has not the side of `place`.
        place: Where it came from; see `square`.
        feather: Over how many pixels the crop fades into the photograph at its edges, other than
            at those that are the photograph's own; 0 replaces the whole square.

    Raises:
        ImageContractError: If the place is not inside the photograph or the crop is not square.
        BadConfigError: If `feather` is negative.
    """
    x, y, side = place
    if side < 1:
        raise ImageContractError(f"{place} has no pixels")
    if check_pixels(face).shape[0] != face.shape[1]:
        raise ImageContractError(f"a face crop is square, not of shape {face.shape}")
    result = check_pixels(photo).copy()
    put(result, fit(face, side), x, y, feather=feather)
    return result


def put(photo: Pixels, patch: Pixels, x: int, y: int, *, feather: int = 0) -> None:
    """Puts a patch into a photograph, in place.

    Args:
        photo: uint8 RGB (H, W, 3); changed.
        patch: uint8 RGB (h, w, 3), at the photograph's own scale.
        x: Column of the patch's left edge.
        y: Row of its upper edge.
        feather: See `paste`.

    Raises:
        ImageContractError: If the patch would reach over the photograph's border.
        BadConfigError: If `feather` is negative.
    """
    height, width = check_pixels(photo).shape[:2]
    rows, columns = check_pixels(patch).shape[:2]
    if x < 0 or y < 0 or x + columns > width or y + rows > height:
        raise ImageContractError(
            f"a patch of {columns}x{rows} pixels at {x}, {y} is not inside a photograph of "
            f"{width}x{height} pixels"
        )
    if feather < 0:
        raise BadConfigError(f"feather is 0 or more pixels, not {feather}")
    region = photo[y : y + rows, x : x + columns]
    if feather == 0:
        region[:] = patch
        return
    across = _fade(columns, feather, first=x > 0, last=x + columns < width)
    down = _fade(rows, feather, first=y > 0, last=y + rows < height)
    weight = (down[:, None] * across[None, :])[..., None]
    region[:] = np.rint(weight * patch + (1 - weight) * region)


def _fade(side: int, feather: int, *, first: bool, last: bool) -> NDArray[np.float64]:
    """Returns `side` weights that rise over `feather` pixels at the ends that shall fade."""
    ramp = np.minimum(np.arange(1, side + 1) / (feather + 1), 1.0)
    return np.minimum(ramp if first else 1.0, ramp[::-1] if last else np.ones(side))
