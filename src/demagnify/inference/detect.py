"""Photographs in, verdicts out: every face is found, corrected and classified."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from pydantic import Field

from demagnify.core import images, progress
from demagnify.core.devices import Precision
from demagnify.core.errors import BadImageError
from demagnify.core.files import short_name
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.data import Skipped
from demagnify.data.face_finding import FaceFinder
from demagnify.inference.drawing import draw_verdict
from demagnify.inference.pipeline import Photograph, PhotoVerdict, Pipeline
from demagnify.inference.runtime import Runtime, RuntimeName
from demagnify.inference.video import ClipOptions, ClipVerdict, draw_timeline, is_clip

if TYPE_CHECKING:
    from demagnify.agents.defended import DefendedDetector
    from demagnify.detectors.detector import Detector

_LONGEST_NAME: Final = 200
_DRAWN: Final = ".verdict.png"
"""Bytes of a name that drawings keep: with number and suffix, 255 is the end of most systems."""
PHOTOS_AT_ONCE: Final = 16

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
        description="Write copies of the photographs here, with faces and verdicts drawn, as "
        "NAME.verdict.png, with suffix and number where two have one name; of clips, a timeline.",
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
    explain: bool = Field(
        default=False,
        description="Draw a heat map of the pixels that the verdict on a face depends on, where "
        "the map passes its check; for photographs, with --save, --report or --json.",
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
    return _classify(chosen, Pipeline.load(config, defense=defense, finder=finder))


def detect_with(
    pipeline: Pipeline, photos: Photos, *, on_skip: Callable[[Skipped], None] | None = None
) -> Iterator[PhotoVerdict | ClipVerdict]:
    """Does the same as `detect` with a pipeline that is loaded already."""
    return _classify(_expand(photos, pipeline.config, on_skip or (lambda _skipped: None)), pipeline)


def classify_files(
    pipeline: Pipeline, paths: Sequence[Path]
) -> Iterator[PhotoVerdict | ClipVerdict]:
    """Yields exactly one verdict for each file, and shows no progress."""
    return _verdicts([_Photo(path, None, None) for path in paths], pipeline)


def _classify(photos: Sequence[_Photo], pipeline: Pipeline) -> Iterator[PhotoVerdict | ClipVerdict]:
    return progress.track(_verdicts(photos, pipeline), "classifying photographs", len(photos))


def _verdicts(photos: Sequence[_Photo], pipeline: Pipeline) -> Iterator[PhotoVerdict | ClipVerdict]:
    for start in range(0, len(photos), PHOTOS_AT_ONCE):
        chunk = photos[start : start + PHOTOS_AT_ONCE]
        still = [photo for photo in chunk if not photo.is_clip]
        verdicts = pipeline.photographs(list(in_threads(_read, still)))
        for photo in chunk:
            verdict = pipeline.clip(photo.path) if photo.is_clip else next(verdicts)
            if verdict.problem and pipeline.config.strict:
                raise BadImageError(f"{verdict.path}: {verdict.problem}")
            if photo.drawing:
                _draw(verdict, photo.drawing)
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
        name = name.with_name(short_name(name.name, _LONGEST_NAME))  # noqa: PLW2901
        numbered = (f"{name}.{number}{_DRAWN}" for number in count(2))
        names = chain((f"{name.with_suffix('')}{_DRAWN}", f"{name}{_DRAWN}"), numbered)
        drawing = next(path for one in names if (path := save / one).resolve() not in taken)
        taken.add(drawing.resolve())
        drawings.append(drawing)
    return drawings


def _read(photo: _Photo) -> Photograph:
    try:
        return Photograph(
            photo.path, images.load(photo.path) if photo.pixels is None else photo.pixels
        )
    except BadImageError as error:
        return Photograph(photo.path, error)
