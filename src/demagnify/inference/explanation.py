"""Which part of a face does its verdict depend on? A heat map, shown only if it passes a check.

The map comes from occlusion (Zeiler, Fergus 2014): a window slides over the face, what is under it
is blurred, and the change of the logit is noted. This needs no gradients, so that it explains any
defence in any runtime, without torch. `benchmarks/explanations.py` compares it with gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from demagnify.core import rng
from demagnify.core.errors import ImageContractError
from demagnify.core.images import Pixels, check_pixels, fit
from demagnify.inference.runtime import Runtime, as_runtime, decide_each, load_runtime

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.detectors.detector import Detector

GRID: Final = 14
"""Cells of the map along a side."""
WINDOW: Final = 3
"""Side of the sliding window in cells."""
MARKED: Final = 20
"""Cells that the check covers: a tenth of the face."""
MOVED: Final = 19
"""Other places of the same shape that the check covers."""
_BLUR: Final = 0.045
"""Spread of the blur under the window, as a share of the face's side."""
_COLOUR: Final = (213, 94, 0)

Cells = NDArray[np.bool_]
Toward = Literal["fake", "real"]
_SIGN: Final[dict[Toward, int]] = {"fake": 1, "real": -1}


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where a verdict comes from, if that can be shown.

    Attributes:
        toward: The side that the marked pixels speak for.
        heat: float32 (14, 14), 0 to 1: by how much each part of the face speaks for that side;
            None if the map failed its check.
        change: By how much the logit moves to the other side when the tenth of the face with the
            most heat is covered.
        elsewhere: The most that it moves when as much is covered at 20 other places.
    """

    toward: Toward
    heat: NDArray[np.float32] | None
    change: float
    elsewhere: float

    def to_json(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        heat = None if self.heat is None else self.heat.round(2).astype(float).round(2).tolist()
        return {
            "toward": self.toward,
            "change": self.change,
            "elsewhere": self.elsewhere,
            "heat": heat,
        }

    def __str__(self) -> str:
        """Returns the result of the check in words."""
        return in_words(self.toward, self.change, self.elsewhere, shown=self.heat is not None)


def in_words(toward: Toward, change: float, elsewhere: float, *, shown: bool) -> str:
    """Returns the result of the check in words; the arguments are those of `Explanation`."""
    moves = f"moves the logit away from {toward} by {change:.2f}, as much elsewhere by"
    if shown:
        return f"heat map of what speaks for {toward}: covering it {moves} at most {elsewhere:.2f}"
    return f"no heat map, as it failed its check: covering it {moves} up to {elsewhere:.2f}"


def explain(
    faces: Pixels | Sequence[Pixels],
    defense: str | Path | Runtime | DefendedDetector | Detector = "default",
    *,
    toward: Sequence[Toward] | None = None,
) -> list[Explanation]:
    """Finds the part of each face that its verdict depends on, and checks what it found.

    The check covers the tenth of the face with the most heat, with the mean colour instead of the
    blur that made the map. It passes if that moves the logit more than the same shape does at 19
    other places, and than a disc in the middle does: a map that any face could have fails.

    Args:
        faces: Face crops, each uint8 RGB (H, W, 3), as `detect` cuts them out.
        defense: A defence or detector, or its name, folder or file.
        toward: The side to explain, for each face; that of its logit if None.

    Shape:
        N crops of any size, or uint8 (N, H, W, 3), to N explanations.

    Returns:
        One explanation for each face; its `heat` is None where the check failed.

    Raises:
        ImageContractError: If a face is no photograph.
        BadArtifactError: If the defence cannot be loaded.
        BadConfigError: If a logit is not a finite number.

    Example:
        >>> grey = np.full((1, 224, 224, 3), 128, dtype=np.uint8)
        >>> (found,) = explain(grey, "light")
        >>> found.heat is None  # in a grey square no place is special
        True

    Source:
        Zeiler, Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014. The check
        is pixel flipping (Samek et al. 2017) as a permutation test.
    """
    runtime = load_runtime(defense) if isinstance(defense, str | Path) else as_runtime(defense)
    crops = [fit(check_pixels(face), runtime.input_size) for face in faces]
    if toward is not None and len(toward) != len(crops):
        raise ImageContractError(f"{len(crops)} faces have {len(toward)} sides to explain")
    logits = _logits(crops, runtime)
    sides: Sequence[Toward] = toward or [
        "fake" if logit > runtime.threshold else "real" for logit in logits
    ]
    return [
        checked(crop, logit, _SIGN[side] * occlusion(crop, logit, runtime), side, runtime)
        for crop, logit, side in zip(crops, logits.tolist(), sides, strict=True)
    ]


def draw_heat(face: Pixels, heat: NDArray[np.float32]) -> Pixels:
    """Returns a copy of a face, uint8 RGB (H, W, 3), in grey, with the heat in orange."""
    height, width = check_pixels(face).shape[:2]
    spread = cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC)
    share = 0.8 * np.clip(spread, 0, 1)[..., None]
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    drawn = (1 - share) * grey + share * np.array(_COLOUR, np.float32)
    return np.rint(drawn).astype(np.uint8)


def checked(
    face: Pixels, logit: float, heat: NDArray[np.float32], toward: Toward, runtime: Runtime
) -> Explanation:
    """Checks a heat map; see `explain`.

    Args:
        face: The crop, uint8 RGB (S, S, 3), of the runtime's size.
        logit: Its logit.
        heat: float32 (14, 14): by how much each part speaks for the side.
        toward: The side.
        runtime: What gave the logit.
    """
    marked = most(heat)
    away = (logit - _covered(face, [marked, *other_places(marked)], runtime)) * _SIGN[toward]
    change, elsewhere = float(away[0]), float(away[1:].max())
    shown = np.clip(heat / max(float(heat.max()), 1e-9), 0, 1).astype(np.float32)
    passed = change > max(elsewhere, 0)
    return Explanation(
        toward=toward, heat=shown if passed else None, change=change, elsewhere=elsewhere
    )


def occlusion(face: Pixels, logit: float, runtime: Runtime) -> NDArray[np.float32]:
    """Returns by how much the logit falls where the face is blurred, float32 (14, 14)."""
    edges = _edges(len(face))
    blurred = cv2.GaussianBlur(face, (0, 0), _BLUR * len(face), borderType=cv2.BORDER_REFLECT)
    steps = range(GRID - WINDOW + 1)
    places = [(row, column) for row in steps for column in steps]

    def windows() -> Iterator[Pixels]:
        for row, column in places:
            one = face.copy()
            rows = slice(edges[row], edges[row + WINDOW])
            columns = slice(edges[column], edges[column + WINDOW])
            one[rows, columns] = blurred[rows, columns]
            yield one

    total, times = np.zeros((2, GRID, GRID), np.float32)
    for (row, column), seen in zip(places, _logits(windows(), runtime), strict=True):
        total[row : row + WINDOW, column : column + WINDOW] += logit - seen
        times[row : row + WINDOW, column : column + WINDOW] += 1
    return total / times


def most(heat: NDArray[np.float32]) -> Cells:
    """Returns the cells with the most heat, bool (14, 14)."""
    marked = np.zeros(heat.size, np.bool_)
    marked[np.argsort(-heat, axis=None, kind="stable")[:MARKED]] = True
    return marked.reshape(heat.shape)


def other_places(marked: Cells) -> list[Cells]:
    """Returns the same shape at 19 other places, mirrored or not, and a disc in the middle."""
    draw = rng.generator(0, "other places")
    found: list[Cells] = []
    while len(found) < MOVED:
        moved = np.roll(marked, draw.integers(GRID, size=2), (0, 1))
        moved = moved[:: draw.choice((-1, 1)), :: draw.choice((-1, 1))]
        if (moved & marked).sum() <= MARKED // 2:
            found.append(moved)
    across = np.arange(GRID) - (GRID - 1) / 2
    return [*found, most(-np.hypot(*np.meshgrid(across, across)).astype(np.float32))]


def _covered(face: Pixels, places: Sequence[Cells], runtime: Runtime) -> NDArray[np.float32]:
    """Returns the logits of a face with its mean colour at each of some places."""
    cell = np.repeat(np.arange(GRID), np.diff(_edges(len(face))))
    mean = np.rint(face.mean((0, 1))).astype(np.uint8)
    covers = (one[cell][:, cell][..., None] for one in places)
    return _logits((np.where(cover, mean, face) for cover in covers), runtime)


def _edges(side: int) -> NDArray[np.int64]:
    return np.linspace(0, side, GRID + 1).round().astype(np.int64)


def _logits(faces: Iterable[Pixels], runtime: Runtime) -> NDArray[np.float32]:
    return np.array([one.logit for one in decide_each(runtime, faces)], np.float32)
