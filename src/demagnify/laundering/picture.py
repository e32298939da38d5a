"""Faces of an attacked folder, before and after, for its picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from demagnify.core import images
from demagnify.laundering.figure import Comparison
from demagnify.laundering.region import Region
from demagnify.laundering.sources import Sources
from demagnify.laundering.tables import finished
from demagnify.laundering.worklog import DoneFace, WorkLog

DRAWN: Final = 4
"""How many faces the picture shows at most."""

LONGEST_NAME: Final = 32

SURROUNDINGS: Final = 1 / 8
"""How much of what is around a face is shown: share of its side, on each end."""


def examples(output: Path, sources: Sources, log: WorkLog) -> Iterator[Comparison]:
    """Yields the first faces that were attacked, with a little of what is around them."""
    left = DRAWN
    for source, done in finished(sources, log):
        faces = [face for face in log.faces(done.target) if face.attacked][:left]
        if faces:
            pair = images.load(source.path), images.load(output / done.target)
            yield from (_comparison(source.name, face, pair) for face in faces)
        left -= len(faces)
        if not left:
            return


def _comparison(name: str, face: DoneFace, pair: tuple[images.Pixels, images.Pixels]) -> Comparison:
    original, attacked = pair
    face_region = face.region or Region(0, 0, *original.shape[1::-1])
    shown = _widened(face_region, original.shape)
    return Comparison(
        shown.of(original),
        shown.of(attacked),
        name=name if len(name) <= LONGEST_NAME else f"...{name[-LONGEST_NAME:]}",
        quality=f"PSNR {face.psnr or 0.0:.1f} dB, SSIM {face.ssim or 0.0:.3f}",
        face=face_region._replace(x=face_region.x - shown.x, y=face_region.y - shown.y),
    )


def _widened(region: Region, shape: tuple[int, ...]) -> Region:
    height, width = shape[:2]
    margin = round(SURROUNDINGS * region.width)
    left, top = max(0, region.x - margin), max(0, region.y - margin)
    right = min(width, region.x + region.width + margin)
    bottom = min(height, region.y + region.height + margin)
    return Region(left, top, right - left, bottom - top)
