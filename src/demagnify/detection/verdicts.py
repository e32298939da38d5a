"""Photographs in, verdicts out: find every face, judge it with the defended detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from demagnify import images
from demagnify.data.labels import FAKE, REAL, label_name
from demagnify.defense.defended import DefendedDetector
from demagnify.errors import BadImageError
from demagnify.faces import Face, FaceFinder, crop
from demagnify.images import Pixels

PHOTOS_AT_ONCE: Final = 16
FACES_AT_ONCE: Final = 32


@dataclass(frozen=True, kw_only=True)
class FaceVerdict:
    """What the defended detector says of one face.

    Attributes:
        face: Where it is in the photograph.
        verdict: "real" or "fake".
        score: 0-1; above 0.5 the verdict is "fake". A ranking, not a probability of guilt.
        logit: The detector's logit after the action.
        action: The corrective transformation that the agent chose.
    """

    face: Face
    verdict: str
    score: float
    logit: float
    action: str

    def to_json(self) -> dict[str, Any]:
        """Returns the verdict in words and numbers that JSON can hold."""
        return {
            "box": [round(value, 1) for value in self.face.box],
            "found_with": round(self.face.score, 4),
            "verdict": self.verdict,
            "score": round(self.score, 6),
            "logit": round(self.logit, 6),
            "action": self.action,
        }


@dataclass(frozen=True, kw_only=True)
class PhotoVerdict:
    """What was found in one photograph.

    Attributes:
        path: The file.
        faces: A verdict for each face, the largest first; empty if there is none.
        problem: Why there is no verdict; None if there is one.
        pixels: The upright photograph, uint8 RGB (H, W, 3); None if it could not be read.
    """

    path: Path
    faces: tuple[FaceVerdict, ...] = ()
    problem: str | None = None
    pixels: Pixels | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns everything but the pixels."""
        found = [face.to_json() for face in self.faces]
        return {"file": str(self.path), "faces": found, "problem": self.problem}


def detect(
    paths: Sequence[Path], defended: DefendedDetector, finder: FaceFinder
) -> Iterator[PhotoVerdict]:
    """Judges photographs, in order; memory stays flat however many there are.

    Args:
        paths: Photographs with any number of faces.
        defended: The detector with its agent.
        finder: What finds the faces.

    Yields:
        One verdict for each path; a photograph that cannot be read or has no face yields one
        with `problem` set, and the others go on.
    """
    with ThreadPoolExecutor() as readers:
        for start in range(0, len(paths), PHOTOS_AT_ONCE):
            chunk = paths[start : start + PHOTOS_AT_ONCE]
            yield from _detect_chunk(chunk, list(readers.map(_read, chunk)), defended, finder)


def _read(path: Path) -> Pixels | BadImageError:
    try:
        return images.load(path)
    except BadImageError as error:
        return error


def _detect_chunk(
    paths: Sequence[Path],
    photos: Sequence[Pixels | BadImageError],
    defended: DefendedDetector,
    finder: FaceFinder,
) -> Iterator[PhotoVerdict]:
    found = [[] if isinstance(photo, BadImageError) else finder.find(photo) for photo in photos]
    crops = [
        crop(photo, face, size=defended.input_size)
        for photo, faces in zip(photos, found, strict=True)
        if not isinstance(photo, BadImageError)
        for face in faces
    ]
    verdicts = iter(_judge(crops, [face for faces in found for face in faces], defended))
    for path, photo, faces in zip(paths, photos, found, strict=True):
        if isinstance(photo, BadImageError):
            yield PhotoVerdict(path=path, problem=str(photo).removeprefix(f"{path}: "))
        elif not faces:
            yield PhotoVerdict(path=path, problem="no face was found", pixels=photo)
        else:
            own = tuple(next(verdicts) for _ in faces)
            yield PhotoVerdict(path=path, faces=own, pixels=photo)


def _judge(
    crops: Sequence[Pixels], faces: Sequence[Face], defended: DefendedDetector
) -> Iterator[FaceVerdict]:
    for start in range(0, len(crops), FACES_AT_ONCE):
        batch = images.to_batch(list(crops[start : start + FACES_AT_ONCE]))
        decisions = defended.decide(batch)
        scores = torch.sigmoid(decisions.logits - defended.threshold)
        for offset, (logit, score, action) in enumerate(
            zip(decisions.logits.tolist(), scores.tolist(), decisions.actions.tolist(), strict=True)
        ):
            yield FaceVerdict(
                face=faces[start + offset],
                verdict=label_name(FAKE if logit > defended.threshold else REAL),
                score=score,
                logit=logit,
                action=defended.actions[action].name,
            )
