"""Photographs in, verdicts out: find every face, judge it with the defended detector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.face_finding import Face, FaceFinder, crop
from demagnify.data.labels import FAKE, REAL, label_name
from demagnify.detectors.detector import check_finite

PHOTOS_AT_ONCE: Final = 16
FACES_AT_ONCE: Final = 32
UNSURE: Final = "unsure"

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class FaceVerdict:
    """What the defended detector says of one face.

    Attributes:
        face: What the finder found; the box may reach over the border.
        box: Left, top, width, height in pixels of what of that box lies in the photograph.
        verdict: "real", "fake", or "unsure" where a defence that may withhold its verdict does so.
        score: 0-1; above 0.5 the verdict is "fake", or would be. A ranking, not a probability of
            guilt.
        logit: The detector's logit after the action.
        action: The corrective transformation that the agent chose.
        doubt: 0-1, the estimated chance that "real" or "fake" would be wrong; None if the defence
            does not estimate it.
    """

    face: Face
    box: Box
    verdict: str
    score: float
    logit: float
    action: str
    doubt: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the verdict in words and numbers that JSON can hold."""
        found = {
            "box": [round(value, 1) for value in self.box],
            "found_with": round(self.face.score, 4),
            "verdict": self.verdict,
            "score": self.score,
            "logit": self.logit,
            "action": self.action,
        }
        return found if self.doubt is None else {**found, "doubt": self.doubt}


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

    Raises:
        BadConfigError: If a logit is not a finite number.
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
    answers = _judge(crops, defended)
    for path, photo, faces in zip(paths, photos, found, strict=True):
        if isinstance(photo, BadImageError):
            yield PhotoVerdict(path=path, problem=str(photo).removeprefix(f"{path}: "))
        elif not faces:
            yield PhotoVerdict(path=path, problem="no face was found", pixels=photo)
        else:
            own = tuple(_verdict(face, photo.shape, next(answers)) for face in faces)
            yield PhotoVerdict(path=path, faces=own, pixels=photo)


class _Answer(NamedTuple):
    """What the defended detector says of one crop; `surplus` is logit minus threshold."""

    logit: float
    surplus: float
    action: str
    unsure: bool
    doubt: float | None


def _judge(crops: Sequence[Pixels], defended: DefendedDetector) -> Iterator[_Answer]:
    # In float32, as everywhere: a threshold that is one of the logits is not above itself.
    threshold = float(torch.tensor(defended.threshold, dtype=torch.float32))
    for start in range(0, len(crops), FACES_AT_ONCE):
        decisions = defended.decide(images.to_batch(list(crops[start : start + FACES_AT_ONCE])))
        logits = check_finite(decisions.logits, defended.name).tolist()
        none = [None] * len(logits)
        for logit, action, unsure, doubt in zip(
            logits,
            decisions.actions.tolist(),
            none if decisions.unsure is None else decisions.unsure.tolist(),
            none if decisions.doubt is None else decisions.doubt.tolist(),
            strict=True,
        ):
            name = defended.actions[action].name
            yield _Answer(logit, logit - threshold, name, bool(unsure), doubt)


def _verdict(face: Face, shape: tuple[int, ...], answer: _Answer) -> FaceVerdict:
    return FaceVerdict(
        face=face,
        box=_inside(face.box, shape),
        verdict=UNSURE if answer.unsure else label_name(FAKE if answer.surplus > 0 else REAL),
        score=(1 + math.tanh(answer.surplus / 2)) / 2,  # the sigmoid, safe from overflow
        logit=answer.logit,
        action=answer.action,
        doubt=answer.doubt,
    )


def _inside(box: Box, shape: tuple[int, ...]) -> Box:
    """Cuts off what of a box lies beyond the borders of a photograph of shape (H, W, 3)."""
    left, right = (min(max(x, 0.0), shape[1]) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0.0), shape[0]) for y in (box[1], box[1] + box[3]))
    return left, top, right - left, bottom - top
