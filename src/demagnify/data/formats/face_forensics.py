"""FaceForensics++: 1,000 videos, and what five methods made of pairs of them.

Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019; as its
download script lays it out::

    original_sequences/{youtube,actors}/{raw,c23,c40}/videos/071.mp4
    manipulated_sequences/METHOD/{raw,c23,c40}/videos/071_054.mp4      TARGET_SOURCE

What to know of it:

* The fake 071_054 shows the video 071 with the face of 054. The official splits are lists of
  pairs (`train.json`, `val.json`, `test.json`), so that both videos, and the fakes made of them
  either way, are in one split. The group of a video is its pair, or the chain of pairs.
* Videos of different compression must not be mixed: a detector would tell the classes apart by
  the codec. One level is read, the same for all sources.
* Kaggle's copy, `FaceForensics++_C23/{original,Deepfakes,...}/*.mp4`, is read as c23. It holds the
  fakes of DeepFakeDetection, but not the actors' videos that they were made of.
* Frames extracted beforehand are read from `images/VIDEO/` (what the official script writes:
  whole frames) and `frames/VIDEO/`, where there are no videos.
* DeepFakeDetection (the method of that name, from `actors`) has no official splits; its videos
  are split by actors, as far as they can be: most actors are connected by fakes.
* In a fake video other faces than the largest may be real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.core.parallel import in_threads
from demagnify.data import videos
from demagnify.data.builder import ManifestBuilder
from demagnify.data.format import Format, FormatOptions
from demagnify.data.formats.face_forensics_layout import (
    FAKES,
    KAGGLE,
    ORIGINALS,
    Video,
    find_home,
    list_videos,
)
from demagnify.data.formats.groups import Together
from demagnify.data.formats.locate import absolute
from demagnify.data.formats.split_pairs import OfficialSplits
from demagnify.data.formats.subset import choose
from demagnify.data.manifest import Manifest


class FaceForensicsOptions(FormatOptions):
    """What can be set on reading FaceForensics++."""

    frames: int = Field(32, ge=1, description="Frames per video, spread evenly over all of it.")
    compression: Literal["raw", "c23", "c40", "c0"] | None = Field(
        None, description="Compression to read; c23, or else raw or c40, if not set."
    )
    methods: tuple[str, ...] | None = Field(
        None, description="Methods of manipulation to read; all that are there if not set."
    )
    splits: Path | None = Field(
        None, description="Folder of train.json, val.json and test.json, lists of pairs."
    )
    fraction: float = Field(1.0, gt=0, le=1, description="Share of the groups of videos to take.")
    seed: int = Field(0, ge=0, description="Which groups a fraction takes.")

    @field_validator("methods", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Lets a command line say "Deepfakes,FaceSwap"."""
        return tuple(value.split(",")) if isinstance(value, str) else value


class FaceForensics(Format[FaceForensicsOptions]):
    """The official layout of FaceForensics++, videos or extracted frames."""

    name: ClassVar[str] = "faceforensics"
    summary: ClassVar[str] = (
        f"a folder with {ORIGINALS}/ and {FAKES}/ (FaceForensics++), or {KAGGLE}/"
    )
    options_type = FaceForensicsOptions

    def recognises(self, source: Path) -> bool:
        """Whether it is a folder with either of the two, or laid out as on Kaggle."""
        return source.is_dir() and find_home(source) is not None

    def read(self, source: Path, options: FaceForensicsOptions, *, strict: bool) -> Manifest:
        """Lists frames of all videos; each video is opened once, to learn its length.

        Raises:
            BadManifestError: If there are no videos, or the split files cannot be used.
            BadConfigError: If a method or compression that was asked for is not there.
        """
        home = find_home(absolute(source))
        if home is None:
            raise BadManifestError(f"{source}: there is no folder {ORIGINALS} or {FAKES}")
        builder = ManifestBuilder(home, strict=strict)
        found = list_videos(home, options.methods, options.compression, builder.skip)
        official = OfficialSplits.find(home, options.splits)
        placed = _place(found, official, builder)
        chosen = choose((group for _, group, _ in placed), options.fraction, options.seed)
        kept = [entry for entry in placed if entry[1] in chosen]
        sampled = in_threads(
            lambda entry: _sample(entry[0], options.frames), kept, "opening videos"
        )
        for (video, group, split), frames in zip(kept, sampled, strict=True):
            if isinstance(frames, BadImageError):
                builder.skip(_below(video.path, home), _reason(frames, video.path))
                continue
            for path, frame in frames:
                builder.add_row(
                    _below(path, home),
                    video.label,
                    split,
                    group,
                    frame=frame,
                    extra={"method": video.source, "video": video.name},
                )
        return builder.build()


def _below(path: Path, home: Path) -> str:
    return path.relative_to(home).as_posix()


def _reason(error: BadImageError, path: Path) -> str:
    return error.message.removeprefix(f"{path}: ")


def _place(
    found: Iterator[Video], official: OfficialSplits, builder: ManifestBuilder
) -> list[tuple[Video, str, str]]:
    """Returns each video with its group and split; what has no place is skipped."""
    together = Together()
    kept: list[tuple[Video, str]] = []
    for video in found:
        try:
            split = official.split_of(video.parts)
        except BadManifestError as error:
            builder.skip(_below(video.path, builder.root), error.message)
        else:
            together.join(*video.parts)
            kept.append((video, split))
    official.join_pairs(together)
    if kept and not official:
        official.warn(builder.root)
    grouped = [(video, together.group(video.parts[0]), split) for video, split in kept]
    return [(v, group, split or official.by_group(group)) for v, group, split in grouped]


def _sample(video: Video, wanted: int) -> list[tuple[Path, int]] | BadImageError:
    """Returns files and frame numbers spread evenly over a video."""
    if not video.path.is_dir():
        try:
            count = videos.count_frames(video.path)
        except BadImageError as error:
            return error
        return [(video.path, number) for number in videos.even_frames(count, wanted)]
    files = sorted(images.list_files(video.path), key=_natural)
    if not files:
        return BadImageError(f"{video.path}: the folder holds no frame")
    return [(files[place], place) for place in videos.even_frames(len(files), wanted)]


def _natural(path: Path) -> tuple[list[int], str]:
    """Sorts frame 2 before frame 10."""
    return [int(digits) for digits in re.findall(r"\d+", path.stem)], path.name
