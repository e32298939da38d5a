"""Recall and overlap (IoU) of the face search by size, turn and number of faces.

Portraits of the sample set are drawn onto photographs of 1600x1600 pixels: one face of 10 to 95 %
of the side, upright or turned, a close-up beside a small face in the corner, and two to twenty
faces of mixed sizes. The reference is the box that is found in the portrait itself, where the face
has about 100 pixels; a turned face has it, upright, around the turned centre. Example:

    python benchmarks/face_finding.py --portraits 20
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from demagnify.core import assets, images
from demagnify.core.images import Pixels
from demagnify.data.face_finding import Box, FaceFinder, overlap
from demagnify.evaluation.machine import describe_machine

SIDE: Final = 1600
SIZES: Final = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
TURNS: Final = (-30, -15, 15, 30)
NUMBERS: Final = (2, 5, 10, 20)
FOUND: Final = 0.5
"""IoU from which a face counts as found."""


@dataclass(frozen=True)
class Portrait:
    """A photograph, and the box of its only face."""

    pixels: Pixels
    box: Box


@dataclass
class Row:
    """IoU of each face that was drawn, and how many boxes were found beyond those."""

    name: str
    overlaps: list[float] = field(default_factory=list)
    extra: int = 0

    def __str__(self) -> str:
        count, found = len(self.overlaps), np.array(self.overlaps) >= FOUND
        low, high = wilson(int(found.sum()), count)
        mean, error = np.mean(self.overlaps), 1.96 * np.std(self.overlaps) / math.sqrt(count)
        recall = f"{found.mean():.2f} [{low:.2f}, {high:.2f}]"
        return f"| {self.name} | {count} | {recall} | {mean:.2f} ± {error:.2f} | {self.extra} |"


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share."""
    z, share = 1.96, successes / count
    centre = (share + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / 2 / count) ** 2)
    return centre - half, centre + half


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--portraits", type=int, default=20)
    finder = FaceFinder()
    portraits = list(_portraits(finder, parser.parse_args().portraits))
    print(describe_machine("cpu"))
    print("| faces | n | recall [95 %] | mean IoU [95 %] | further boxes |\n|:--|--:|--:|--:|--:|")
    for size in SIZES:
        _measure(finder, f"{size} % of the side", [_one(one, size) for one in portraits])
    for size in (20, 60, 90):
        for turn in TURNS:
            scenes = [_one(one, size, turn) for one in portraits]
            _measure(finder, f"{size} %, turned by {turn}°", scenes)
    for size in (40, 60, 80):
        scenes = [_beside(*two, size) for two in zip(portraits, portraits[::-1], strict=True)]
        _measure(finder, f"{size} % beside one of 5 % in a corner", scenes)
    for number in NUMBERS:
        scenes = [_many(portraits, number, start) for start in range(len(portraits))]
        _measure(finder, f"{number} in one photograph", scenes)
    photo, _ = _one(portraits[0], 20)
    start = time.process_time()
    for _ in range(10):
        finder.find(photo)
    print(f"{(time.process_time() - start) / 10:.3f} s of processor time for one photograph")


def _portraits(finder: FaceFinder, count: int) -> Iterator[Portrait]:
    for path in images.list_files(assets.fetch("celeba-999")):
        pixels = images.load(path)
        faces = finder.find(pixels)
        if len(faces) == 1:
            count -= 1
            yield Portrait(pixels, faces[0].box)
        if not count:
            return


def _measure(finder: FaceFinder, name: str, scenes: Sequence[tuple[Pixels, Sequence[Box]]]) -> None:
    row = Row(name)
    for photo, boxes in scenes:
        found = [face.box for face in finder.find(photo)]
        row.overlaps += [max((overlap(box, one) for one in found), default=0.0) for box in boxes]
        row.extra += sum(max(overlap(box, one) for box in boxes) < FOUND for one in found)
    print(row, flush=True)


def _one(portrait: Portrait, size: float, turn: float = 0) -> tuple[Pixels, list[Box]]:
    photo, box = _drawn(portrait, SIDE, size / 100, turn)
    return photo, [box]


def _beside(large: Portrait, small: Portrait, size: float) -> tuple[Pixels, list[Box]]:
    """A close-up with a small face in the corner."""
    photo, box = _drawn(large, SIDE, size / 100)
    corner, inner = _drawn(small, SIDE // 8, 0.4)
    photo[: SIDE // 8, : SIDE // 8] = corner
    return photo, [box, inner]


def _many(portraits: Sequence[Portrait], number: int, start: int) -> tuple[Pixels, list[Box]]:
    """Faces side by side, each in a tile of its own, of 15 to 65 % of the tile."""
    across = math.ceil(math.sqrt(number))
    tile = SIDE // across
    photo = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    boxes: list[Box] = []
    for place in range(number):
        y, x = (tile * step for step in divmod(place, across))
        share = 0.15 + 0.5 * ((start + place * 7) % 10) / 9
        portrait = portraits[(start + place) % len(portraits)]
        photo[y : y + tile, x : x + tile], box = _drawn(portrait, tile, share)
        boxes.append((box[0] + x, box[1] + y, *box[2:]))
    return photo, boxes


def _drawn(portrait: Portrait, side: int, share: float, turn: float = 0) -> tuple[Pixels, Box]:
    """Returns a square photograph with the face in its middle, and the face's box."""
    left, top, width, height = portrait.box
    scale = side * share / max(width, height)
    centre = (left + width / 2, top + height / 2)
    matrix = cv2.getRotationMatrix2D(centre, turn, scale)
    matrix[0, 2] += side / 2 - centre[0]
    matrix[1, 2] += side / 2 - centre[1]
    photo = cv2.warpAffine(
        portrait.pixels,
        matrix,
        (side, side),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    sides = (width * scale, height * scale)
    box = (side / 2 - sides[0] / 2, side / 2 - sides[1] / 2, *sides)
    return np.asarray(photo, dtype=np.uint8), box


if __name__ == "__main__":
    main()
