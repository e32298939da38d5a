"""Verdicts by calibration instead of by the detector's own threshold, with the delivery check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from demagnify.data.face_finding import crop, square
from demagnify.inference.answers import (
    Interpreter,
    Seen,
    delivered_face,
    delivered_photo,
    quality_of,
)
from demagnify.inference.runtime import Runtime

if TYPE_CHECKING:
    from demagnify.inference.pipeline import PhotoVerdict

FACES_AT_ONCE: Final = 32


def calibrated(
    verdicts: Iterable[PhotoVerdict],
    files: Iterable[Path | bytes],
    reads: Interpreter,
    runtime: Runtime,
    *,
    check: bool,
) -> Iterator[PhotoVerdict]:
    """Yields the same photographs with verdicts by calibration, and what they are worth.

    Args:
        verdicts: By the detector's own threshold.
        files: The file of each, or its content.
        reads: The calibration.
        runtime: Classifies the delivered faces.
        check: Whether faces are classified again as a messenger would deliver them.
    """
    for photo, file in zip(verdicts, files, strict=True):
        if not photo.faces or photo.pixels is None:
            yield photo
            continue
        quality = quality_of(file, photo.pixels)
        again = _delivered_logits(photo, runtime) if check else [None] * len(photo.faces)
        faces = []
        for one, delivered in zip(photo.faces, again, strict=True):
            answer = one.enhancement.answer
            meaning = reads.read(
                one.logit,
                Seen(square(one.face, photo.pixels.shape).side, quality, answer),
                abstained=one.verdict == "unsure",
                delivered=delivered,
            )
            limit = reads.threshold(answer)
            score = one.score if limit is None else (1 + math.tanh((one.logit - limit) / 2)) / 2
            faces.append(replace(one, verdict=meaning.verdict, score=score, meaning=meaning))
        yield replace(photo, faces=tuple(faces))


def _delivered_logits(photo: PhotoVerdict, runtime: Runtime) -> list[float | None]:
    assert photo.pixels is not None  # noqa: S101  for the type checker
    small = delivered_photo(photo.pixels)
    crops = [crop(small, delivered_face(one.face), size=runtime.input_size) for one in photo.faces]
    logits: list[float | None] = []
    for start in range(0, len(crops), FACES_AT_ONCE):
        found = runtime.decide(np.stack(crops[start : start + FACES_AT_ONCE]))
        logits += found.logits.tolist()
    return logits
