"""Photographs in, verdicts out: every face is found, corrected and classified."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field

from demagnify.core import images, progress
from demagnify.core.devices import Precision
from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.data import Skipped, face_finding
from demagnify.data.face_finding import Face, FaceFinder, crop
from demagnify.inference.answers import SCOPE, Interpreter, Meaning
from demagnify.inference.calibrated import calibrated
from demagnify.inference.drawing import draw_verdict
from demagnify.inference.enhancement import Enhancement, EnhancementRecognizer
from demagnify.inference.runtime import Runtime, RuntimeName, as_runtime, load_runtime
from demagnify.inference.video import (
    ClipOptions,
    ClipVerdict,
    classify_clip,
    draw_timeline,
    is_clip,
)

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.detectors.detector import Detector

PHOTOS_AT_ONCE: Final = 16
FACES_AT_ONCE: Final = 32

Box = tuple[float, float, float, float]
Photos = str | Path | Pixels | Sequence[str | Path | Pixels]


class DetectionConfig(ClipOptions):
    """Which defence classifies the faces, and how."""

    defense: str = Field(
        default="default",
        description="A folder that train-defense or demo wrote, the name of weights that come with "
        "demagnify, or any detector as in train-defense --detector (then there is no agent).",
    )
    save: Path | None = Field(
        default=None,
        description="Write copies of the photographs here, with faces and verdicts drawn: PNG "
        "files under the same names, numbered where two would have one name; of clips, a timeline.",
    )
    precision: Precision = Field(
        default="float32",
        description="Precision of the network: float32, which gives the same verdicts on every "
        "processor, bfloat16, or auto: bfloat16 where torch computes and the processor multiplies "
        "it in hardware.",
    )
    runtime: RuntimeName = Field(
        default="auto",
        description="What computes: onnx (ONNX Runtime), torch, or auto: ONNX Runtime for what "
        "ships with demagnify and what export wrote, else torch.",
    )
    calibration: Path | None = Field(
        default=None,
        description="A folder that calibrate wrote; that of the defence itself if not set.",
    )
    delivery_check: bool = Field(
        default=True,
        description="Classify calibrated faces a second time, in the photograph at half its size "
        "and stored as JPEG 75, and say unsure where the verdict is the opposite.",
    )
    enhancement: Path | None = Field(
        default=None,
        description="A folder that train-enhancement wrote: what says whether a face was enhanced.",
    )


@dataclass(frozen=True, kw_only=True)
class FaceVerdict:
    """The verdict on one face.

    Attributes:
        face: The face as found; its box may reach over the border.
        box: Left, top, width, height in pixels of the part of that box inside the photograph.
        verdict: "real", "fake", or "unsure" where the defence may abstain and does so.
        score: 0-1; above 0.5 the verdict is "fake", or would be. A ranking, not a probability of
            guilt.
        logit: The detector's logit after the action.
        action: The correction that the agent chose.
        uncertainty: 0-1, the estimated chance that "real" or "fake" would be wrong; None if the
            defence does not estimate it.
        enhancement: Whether the face was enhanced by a super-resolution network; a second answer,
            which has no part in the verdict.
        meaning: Likelihood ratio and measured error rates; None without a calibration.
    """

    face: Face
    box: Box
    verdict: Literal["real", "fake", "unsure"]
    score: float
    logit: float
    action: str
    enhancement: Enhancement
    uncertainty: float | None = None
    meaning: Meaning | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the verdict in words and numbers that JSON can hold."""
        found = {
            "box": [round(value, 1) for value in self.box],
            "found_with": round(self.face.score, 4),
            "verdict": self.verdict,
            "score": self.score,
            "logit": self.logit,
            "action": self.action,
            "enhancement": self.enhancement.to_json(),
            **(self.meaning or Meaning(verdict=self.verdict)).to_json(),
        }
        return found if self.uncertainty is None else {**found, "uncertainty": self.uncertainty}


@dataclass(frozen=True, kw_only=True)
class PhotoVerdict:
    """The verdicts on one photograph.

    Attributes:
        path: The file; for an array "array-1" and so on, by its place.
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
        return {"file": str(self.path), "faces": found, "problem": self.problem, "scope": SCOPE}


class _Photo(NamedTuple):
    """A photograph to read: its path, or its pixels, and where its drawing is saved."""

    path: Path
    pixels: Pixels | None
    drawing: Path | None

    @property
    def is_clip(self) -> bool:
        """Whether it is a clip."""
        return self.pixels is None and is_clip(self.path)


def detect(
    photos: Photos,
    config: DetectionConfig | None = None,
    *,
    defense: Runtime | DefendedDetector | Detector | None = None,
    finder: FaceFinder | None = None,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Iterator[PhotoVerdict | ClipVerdict]:
    """Classifies every face in photographs and clips, in order, in memory that stays flat.

    Args:
        photos: Files, folders of them, or photographs as uint8 RGB arrays (H, W, 3); one or many.
            Files named as videos are clips.
        config: The settings; the defaults if None.
        defense: A runtime, a defended detector or a bare one; the one that `config` names if None.
        finder: Finds the faces; YuNet if None.
        on_skip: Gets each folder, below one of `photos`, that cannot be read.

    Returns:
        One verdict for each photograph and clip, made when it is asked for. A file that cannot be
        read or has no face has `problem` set, and the others go on.

    Raises:
        BadImageError: If a folder holds no photograph; if `config.strict`, at the first problem.
        BadArtifactError: If the defence cannot be loaded.
        BadConfigError: If a logit is not a finite number.

    Example:
        >>> import numpy as np
        >>> from demagnify.inference import detect
        >>> gray = np.full((64, 64, 3), 128, dtype=np.uint8)
        >>> (photo,) = detect(gray)  # doctest: +SKIP
        >>> photo.problem  # doctest: +SKIP
        'no face was found'
    """
    config = config or DetectionConfig()
    chosen = _expand(photos, config, on_skip or (lambda _skipped: None))
    reads = None
    if defense is None:
        defense = load_runtime(
            config.defense,
            device=config.device,
            precision=config.precision,
            runtime=config.runtime,
        )
        if config.precision != "bfloat16":
            reads = Interpreter.load(config.defense, defense.fingerprint)
    runtime = as_runtime(defense)
    if config.calibration is not None:
        reads = Interpreter.load(config.calibration, runtime.fingerprint, required=True)
    recognizer = EnhancementRecognizer.load(config.enhancement)
    finder = finder or face_finding.FaceFinder()
    return _detect(chosen, config, runtime, finder, recognizer, reads)


def _detect(
    photos: Sequence[_Photo],
    config: DetectionConfig,
    runtime: Runtime,
    finder: FaceFinder,
    recognizer: EnhancementRecognizer,
    reads: Interpreter | None,
) -> Iterator[PhotoVerdict | ClipVerdict]:
    with progress.bar("classifying photographs", len(photos)) as advance:
        for start in range(0, len(photos), PHOTOS_AT_ONCE):
            chunk = photos[start : start + PHOTOS_AT_ONCE]
            still = [photo for photo in chunk if not photo.is_clip]
            decoded = list(in_threads(_read, still))
            verdicts = _classify_photos(still, decoded, runtime, finder, recognizer)
            if reads is not None:
                verdicts = calibrated(verdicts, reads, runtime, check=config.delivery_check)
            for photo in chunk:
                verdict = (
                    classify_clip(photo.path, config, runtime, finder)
                    if photo.is_clip
                    else next(verdicts)
                )
                if verdict.problem and config.strict:
                    raise BadImageError(f"{verdict.path}: {verdict.problem}")
                if photo.drawing:
                    _draw(verdict, photo.drawing)
                advance(1)
                yield verdict


def _expand(
    photos: Photos, config: DetectionConfig, on_skip: Callable[[Skipped], None]
) -> list[_Photo]:
    """Lists the photographs, with folders replaced by their files."""
    found: list[tuple[Path, Pixels | None, Path]] = []
    unreadable: list[Skipped] = []
    for photo in [photos] if isinstance(photos, str | Path | np.ndarray) else photos:
        if isinstance(photo, np.ndarray):
            name = Path(f"array-{len(found) + 1}")
            found.append((name, images.check_pixels(photo), name))
        elif not os.path.isdir(photo):  # noqa: PTH112  Path.is_dir raises where names are odd
            found.append((Path(photo), None, Path(Path(photo).name)))
        else:
            folder = Path(photo)
            listed = _list(folder, unreadable)
            inside = [path for path in listed if not _is_drawing(path, folder, config.save)]
            if not inside:
                note = f"; skipped {unreadable[0]}" if unreadable else ""
                raise BadImageError(f"{folder}: the folder holds no photograph or clip{note}")
            found += [(path, None, path.relative_to(folder)) for path in inside]
    for skipped in unreadable:
        if config.strict:
            raise BadImageError(str(skipped))
        on_skip(skipped)
    drawings = _name_drawings(found, config.save)
    return [
        _Photo(path, pixels, drawing)
        for (path, pixels, _), drawing in zip(found, drawings, strict=True)
    ]


def _list(folder: Path, unreadable: list[Skipped]) -> list[Path]:
    """Returns the photographs and clips in a folder; all else that is no companion is reported."""
    clips: list[Path] = []

    def on_skip(path: Path, why: str) -> None:
        if is_clip(path) and path.is_file():
            clips.append(path)
        else:
            unreadable.append(Skipped(str(path), why))

    return sorted([*images.list_files(folder, on_skip=on_skip), *clips])


def _draw(verdict: PhotoVerdict | ClipVerdict, drawing: Path) -> None:
    """Saves the faces of a photograph, or the timeline of a clip, if there are any."""
    if isinstance(verdict, PhotoVerdict):
        if verdict.faces:
            images.save_png(drawing, draw_verdict(verdict))
    elif verdict.shots:
        images.save_png(drawing, draw_timeline(verdict))


def _is_drawing(path: Path, folder: Path, save: Path | None) -> bool:
    """Whether an earlier run drew this file, in a folder inside of the one to be classified."""
    if save is None or folder.resolve().is_relative_to(save.resolve()):
        return False
    return path.resolve().is_relative_to(save.resolve())


def _name_drawings(
    found: Sequence[tuple[Path, Pixels | None, Path]], save: Path | None
) -> list[Path | None]:
    """Returns where each photograph is drawn: no two in one place, and none over another."""
    if save is None:
        return [None] * len(found)
    taken = {path.resolve() for path, _, _ in found}
    drawings: list[Path | None] = []
    for _, _, name in found:
        drawing, number = save / f"{name}.png", 1
        while drawing.resolve() in taken:
            number += 1
            drawing = save / f"{name}.{number}.png"
        taken.add(drawing.resolve())
        drawings.append(drawing)
    return drawings


def _read(photo: _Photo) -> Pixels | BadImageError:
    try:
        return images.load(photo.path) if photo.pixels is None else photo.pixels
    except BadImageError as error:
        return error


def _classify_photos(
    photos: Sequence[_Photo],
    decoded: Sequence[Pixels | BadImageError],
    runtime: Runtime,
    finder: FaceFinder,
    recognizer: EnhancementRecognizer,
) -> Iterator[PhotoVerdict]:
    found = [[] if isinstance(one, BadImageError) else finder.find(one) for one in decoded]
    crops = [
        crop(pixels, face, size=runtime.input_size)
        for pixels, faces in zip(decoded, found, strict=True)
        if not isinstance(pixels, BadImageError)
        for face in faces
    ]
    classified = _classify(crops, runtime)
    for photo, pixels, faces in zip(photos, decoded, found, strict=True):
        path = photo.path
        if isinstance(pixels, BadImageError):
            yield PhotoVerdict(path=path, problem=str(pixels).removeprefix(f"{path}: "))
        elif not faces:
            yield PhotoVerdict(path=path, problem="no face was found", pixels=pixels)
        else:
            enhancements = recognizer([crop(pixels, face) for face in faces])
            verdicts = [
                FaceVerdict(
                    face=face,
                    box=_inside(face.box, pixels.shape),
                    enhancement=enhancement,
                    **next(classified),
                )
                for face, enhancement in zip(faces, enhancements, strict=True)
            ]
            yield PhotoVerdict(path=path, faces=tuple(verdicts), pixels=pixels)


def _classify(crops: Sequence[Pixels], runtime: Runtime) -> Iterator[dict[str, Any]]:
    """Yields the part of each crop's `FaceVerdict` that comes from the runtime."""
    # In float32, as everywhere: a threshold that is one of the logits is not above itself.
    threshold = float(np.float32(runtime.threshold))
    for start in range(0, len(crops), FACES_AT_ONCE):
        found = runtime.decide(np.stack(crops[start : start + FACES_AT_ONCE]))
        for row, logit in enumerate(found.logits.tolist()):
            surplus = logit - threshold
            unsure = found.abstained is not None and bool(found.abstained[row])
            yield {
                "verdict": "unsure" if unsure else "fake" if surplus > 0 else "real",
                "score": (1 + math.tanh(surplus / 2)) / 2,  # the sigmoid, safe from overflow
                "logit": logit,
                "action": runtime.actions[int(found.actions[row])],
                "uncertainty": None if found.uncertainty is None else found.uncertainty[row].item(),
            }


def _inside(box: Box, shape: tuple[int, ...]) -> Box:
    """Cuts off the part of a box beyond the borders of a photograph of shape (H, W, 3)."""
    left, right = (min(max(x, 0.0), shape[1]) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0.0), shape[0]) for y in (box[1], box[1] + box[3]))
    return left, top, right - left, bottom - top
