"""Cuts the faces out of one photograph or video, and its settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

from pydantic import Field

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.images import MIN_SIDE, Pixels
from demagnify.core.runs import file_checksum
from demagnify.core.settings import Frozen
from demagnify.data import videos
from demagnify.data.boxes import upright_box
from demagnify.data.face_finding import MARGIN, Face, square_around
from demagnify.data.prepare.sources import Source
from demagnify.data.records import Box, Record, is_video, reason_of
from demagnify.data.subsample import spread_evenly

FRAMES: Final = 32


class PrepareConfig(Frozen):
    """Settings of the crops; the same settings and photographs give the same crops."""

    no_face: Literal["skip", "whole", "fail"] = Field(
        "skip",
        description="A photograph or frame in which no face is found is left out and listed "
        "(skip), taken as a whole (whole), or ends the work (fail).",
    )
    crops: bool = Field(
        False,
        description="Take images without a box as they are: they are face crops already. Faces are "
        "found in them otherwise; in frames of videos always.",
    )
    all_faces: bool = Field(
        False,
        description="Take every face that is found; otherwise the largest. All get the label of "
        "the photograph: in a forged video, other faces than the largest may be real.",
    )
    margin: float = Field(
        MARGIN, ge=0, le=5, description="Added on each end, as a share of the box's longer side."
    )
    video_frames: int = Field(
        FRAMES,
        ge=1,
        description="Frames that are taken of each video for which no frame is named, spread "
        "evenly from its first to its last.",
    )
    size: int | None = Field(
        None, ge=MIN_SIDE, description="Side of the crops in pixels; their own if not set."
    )


NO_FACE: Final = "no face was found, and no_face is skip"

Way = Literal["given", "found", "whole", "kept"]


class Finder(Protocol):
    """A face finder, such as `demagnify.data.face_finding.FaceFinder`."""

    def find(self, pixels: Pixels) -> list[Face]:
        """Returns the faces in a photograph, the largest first."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A crop that has been written.

    Attributes:
        record: The place of its record among those of the source.
        file_name: The crop's file below the output folder.
        way: Where the face comes from: "given" by the data set, "found" by the face finder,
            "whole": none was found and the photograph was taken as a whole, "kept": it was a face
            already.
        box: The face in pixels of the photograph, "x y width height"; empty if there is none.
        score: Score of the face finder; empty if it was not used.
        frame: The number of the frame, of a video.
        checksum: CRC-32 of the crop's file.
    """

    record: int
    file_name: str
    way: Way
    box: str = ""
    score: str = ""
    frame: str = ""
    checksum: str = ""


@dataclass(slots=True)
class Outcome:
    """The outcome of a source: its crops, and what was left out, as (where, reason)."""

    cuts: list[Cut] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """A face in a photograph; without a box it is the whole of it."""

    way: Way
    box: tuple[float, float, float, float] | None = None
    score: str = ""


class _Decoded(NamedTuple):
    """A photograph, or a frame with its number, and the EXIF orientation that it is stored in."""

    number: int | None
    pixels: Pixels
    orientation: int


class _NoFaceError(BadImageError):
    """A photograph without a face, where that ends the work."""


class Cutter:
    """Cuts faces out and writes them as PNG; may be used from several threads.

    Args:
        output: The folder of the crops.
        config: How they are cut.
        finder: Finds the faces of which the data set does not say where they are.
        strict: Whether a bad file or box stops the work instead of being left out.
    """

    def __init__(
        self, output: Path, config: PrepareConfig, finder: Finder, *, strict: bool
    ) -> None:
        self._output = output
        self._config = config
        self._finder = finder
        self._strict = strict

    def cut(self, source: Source) -> Outcome:
        """Cuts out and writes all faces of a source, decoding it once.

        Raises:
            BadImageError: When strict, at anything bad; or if there is no face and the settings
                say that this ends the work.
            BadOutputError: If the folder cannot be written to.
        """
        outcome = Outcome()
        try:
            wanted = self._wanted(source)
            for photo in self._photographs(source, wanted, outcome):
                self._cut_photograph(source, wanted, photo, outcome)
        except _NoFaceError:
            raise
        except BadImageError as error:
            reason = reason_of(error, source.path)
            self._report(source, "", BadImageError(reason, hint=error.hint), outcome)
        return outcome

    def _wanted(self, source: Source) -> list[set[int]]:
        """Returns the frames of a video that each record stands for; none for a photograph."""
        if not is_video(source.path):
            return [set() for _ in source.records]
        if any(record.box is not None for record in source.records):
            videos.check_square(source.path)
        evenly: set[int] = set()
        if any(_whole_video(record) for record in source.records):
            count = videos.count_frames(source.path)
            evenly = set(spread_evenly(count, self._config.video_frames).tolist())
        return [
            evenly if _whole_video(record) else {record.frame or 0} for record in source.records
        ]

    def _photographs(
        self, source: Source, chosen: Sequence[set[int]], outcome: Outcome
    ) -> Iterator[_Decoded]:
        """Yields the photograph, or the wanted frames of a video."""
        if not is_video(source.path):
            yield _Decoded(None, *images.load_oriented(source.path))
            return
        wanted = set[int]().union(*chosen)
        for number, pixels in videos.read_frames(source.path, wanted):
            wanted.discard(number)
            yield _Decoded(number, pixels, 1)
        for number in sorted(wanted):
            self._report(source, _spot(number), BadImageError("cannot be decoded"), outcome)

    def _cut_photograph(
        self,
        source: Source,
        wanted: Sequence[set[int]],
        photo: _Decoded,
        outcome: Outcome,
    ) -> None:
        number, pixels, _ = photo
        found: list[_Place] | None = None
        names = _names(source, number)
        for place, record in enumerate(source.records):
            if number is not None and number not in wanted[place]:
                continue
            if record.box is not None:
                try:
                    faces = [_Place("given", _given_box(record.box, record, photo))]
                except BadImageError as error:
                    self._report(source, _spot(number, record.box), error, outcome)
                    continue
            elif number is None and self._config.crops:
                faces = [_Place("kept")]
            else:
                found = self._find(pixels) if found is None else found
                faces = found or self._without_face(source, number, outcome)
            for face, name in zip(faces, names, strict=False):
                try:
                    crop = self._crop(pixels, face)
                except BadImageError as error:
                    self._report(source, _spot(number, face.box), error, outcome)
                    continue
                images.save_png(self._output / name, crop)
                frame = "" if number is None else str(number)
                checksum = file_checksum(self._output / name)
                outcome.cuts.append(
                    Cut(place, name, face.way, _written(face.box), face.score, frame, checksum)
                )

    def _find(self, pixels: Pixels) -> list[_Place]:
        faces = self._finder.find(pixels)
        chosen = faces if self._config.all_faces else faces[:1]
        return [_Place("found", face.box, f"{face.score:.3f}") for face in chosen]

    def _without_face(self, source: Source, number: int | None, outcome: Outcome) -> list[_Place]:
        if self._config.no_face == "whole":
            return [_Place("whole")]
        if self._config.no_face == "fail":
            raise _NoFaceError(
                f"{source.path}{_spot(number)}: no face was found",
                hint="no_face skip leaves it out, whole takes the whole photograph",
            )
        outcome.problems.append((f"{source.name}{_spot(number)}", NO_FACE))
        return []

    def _crop(self, pixels: Pixels, face: _Place) -> Pixels:
        crop = pixels
        if face.box is not None:
            x, y, side = square_around(face.box, pixels.shape, margin=self._config.margin)
            if side < MIN_SIDE:
                raise BadImageError(f"the face has only {side}x{side} pixels")
            crop = pixels[y : y + side, x : x + side].copy()
        return crop if self._config.size is None else images.fit(crop, self._config.size)

    def _report(self, source: Source, spot: str, error: BadImageError, outcome: Outcome) -> None:
        if self._strict:
            raise BadImageError(f"{source.path}{spot}: {error.message}", hint=error.hint)
        outcome.problems.append((f"{source.name}{spot}", error.message))


def _whole_video(record: Record) -> bool:
    return record.frame is None and record.box is None


def _names(source: Source, number: int | None) -> Iterator[str]:
    """Yields the names of the crops of a photograph, or of a frame of a video, without end."""
    mark = "" if number is None else f"-{number:06d}"
    return (f"{source.stem}{mark}-{place}.png" for place in itertools.count())


def _given_box(box: Box, record: Record, photo: _Decoded) -> Box:
    height, width = photo.pixels.shape[:2]
    return upright_box(box, record, width=width, height=height, orientation=photo.orientation)


def _spot(number: int | None, box: Sequence[float] | None = None) -> str:
    """Returns where in a file something is, as the end of its name."""
    frame = "" if number is None else f", frame {number}"
    if box is None:
        return frame
    x, y, width, height = box
    return f"{frame}, face at {x:.0f},{y:.0f} ({width:.0f}x{height:.0f})"


def _written(box: Sequence[float] | None) -> str:
    return "" if box is None else " ".join(f"{side:.1f}" for side in box)
