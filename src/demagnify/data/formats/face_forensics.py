"""FaceForensics++: 1,000 videos, and what five methods made of pairs of them.

Rössler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019; as its
download script lays it out::

    original_sequences/{youtube,actors}/{raw,c23,c40}/videos/071.mp4
    manipulated_sequences/METHOD/{raw,c23,c40}/videos/071_054.mp4      TARGET_SOURCE

What to know of it:

* The fake 071_054 shows the video 071 with the face of 054. The official splits are lists of
  pairs (`train.json`, `val.json`, `test.json`), so that both videos, and the fakes made of them
  either way, are in one split. The group of a video is its pair, or the chain of pairs.
* Videos of different compression must not be mixed: a detector would learn the
  codec instead of the fakes. One level is read, the same for all sources.
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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, field_validator

from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadImageError, BadManifestError
from demagnify.core.parallel import in_threads
from demagnify.data import videos
from demagnify.data.formats.annotation_files import Skip, absolute, natural_key
from demagnify.data.formats.base import FORMATS, Format, FractionOptions
from demagnify.data.formats.official_splits import OfficialSplits
from demagnify.data.labels import FAKE, REAL
from demagnify.data.listing import entries, subfolders
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import is_utf8, is_video, reason_of
from demagnify.data.splits import Together, split_of
from demagnify.data.subsample import spread_evenly

ORIGINALS: Final = "original_sequences"
FAKES: Final = "manipulated_sequences"
COMPRESSIONS: Final = ("c23", "raw", "c40", "c0")
KINDS: Final = ("videos", "images", "frames")
KAGGLE: Final = "FaceForensics++_C23"
"""The copy on Kaggle: one compression, `original/` and a folder per method, videos right inside."""

_KAGGLE_REALS: Final = "original"
_METHODS: Final = (
    "Deepfakes",
    "Face2Face",
    "FaceSwap",
    "NeuralTextures",
    "FaceShifter",
    "DeepFakeDetection",
)
ACTED: Final = "DeepFakeDetection"
"""The method whose originals are the actors' videos; the others' are YouTube's."""

_TARGET_SOURCE: Final = re.compile(r"(\d+)_(\d+)(?:__.*)?")
_ORIGINAL: Final = re.compile(r"(\d+)(?:__.*)?")


class FaceForensicsOptions(FractionOptions):
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

    @field_validator("methods", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Lets a command line say "Deepfakes,FaceSwap"."""
        return tuple(value.split(",")) if isinstance(value, str) else value


@FORMATS.register("faceforensics")
class FaceForensics(Format[FaceForensicsOptions]):
    """The official layout of FaceForensics++, videos or extracted frames."""

    name: ClassVar[str] = "faceforensics"
    order: ClassVar[int] = 50
    summary: ClassVar[str] = (
        f"a folder with {ORIGINALS}/ and {FAKES}/ (FaceForensics++), or {KAGGLE}/"
    )
    refused: ClassVar[str] = (
        "videos of another compression than most sources have, since a detector would learn "
        "the codec, and fakes whose name is not TARGET_SOURCE, since their originals are "
        "unknown"
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
        chosen = options.choose((split, group) for _, group, split in placed)
        kept = [entry for entry in placed if entry[1] in chosen]
        sampled = in_threads(
            lambda entry: _sample(entry[0], options.frames), kept, "opening videos"
        )
        for (video, group, split), frames in zip(kept, sampled, strict=True):
            if isinstance(frames, BadImageError):
                builder.skip(video.path, reason_of(frames, video.path))
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
            builder.skip(video.path, error.message)
        else:
            together.join(*video.parts)
            kept.append((video, split))
    official.join_pairs(together)
    if kept and not official:
        official.warn(builder.root)
    grouped = [(video, together.group(video.parts[0]), split) for video, split in kept]
    return [(v, group, split or split_of(group)) for v, group, split in grouped]


def _sample(video: Video, wanted: int) -> list[tuple[Path, int]] | BadImageError:
    """Returns files and frame numbers spread evenly over a video."""
    if not video.path.is_dir():
        try:
            count = videos.count_frames(video.path)
        except BadImageError as error:
            return error
        return [(video.path, number) for number in spread_evenly(count, wanted).tolist()]
    files = sorted(images.list_files(video.path), key=lambda path: natural_key(path.name))
    if not files:
        return BadImageError(f"{video.path}: the folder holds no frame")
    return [(files[place], place) for place in spread_evenly(len(files), wanted).tolist()]


@dataclass(frozen=True, slots=True)
class _Source:
    """A folder of videos of one method, or of originals."""

    folder: Path
    label: int
    domain: str
    flat: bool = False

    @property
    def name(self) -> str:
        return self.folder.name

    def media(self, way: str) -> list[Path]:
        """Returns the videos, or the folders of their frames, of "c23/videos" or the like."""
        if self.flat:
            return _media(self.folder, KINDS[0]) if way == f"{COMPRESSIONS[0]}/{KINDS[0]}" else []
        place = self.folder / way
        return _media(place, place.name) if place.is_dir() else []


@dataclass(frozen=True, slots=True)
class Video:
    """A video, or the folder of its frames; `parts` are the originals that it is made of."""

    path: Path
    source: str
    label: int
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in the data set: "071_054"."""
        return self.path.name if self.path.is_dir() else self.path.stem


def find_home(source: Path) -> Path | None:
    """Returns the folder with the two folders: the source, or the only one in it that has them."""
    for place in (source, source / "FaceForensics++", source / "faceforensics++", source / KAGGLE):
        if (place / ORIGINALS).is_dir() or (place / FAKES).is_dir() or _is_flat(place):
            return place
    return None


def _is_flat(place: Path) -> bool:
    """Whether a folder is laid out as on Kaggle."""
    return (place / _KAGGLE_REALS).is_dir() and any((place / name).is_dir() for name in _METHODS)


def _sources(home: Path, methods: Sequence[str] | None) -> list[_Source]:
    flat = _is_flat(home)
    fakes = {path.name: path for path in _folders(home if flat else home / FAKES)}
    if flat:
        fakes = {name: path for name, path in fakes.items() if name in _METHODS}
    unknown = sorted(set(methods or ()) - set(fakes))
    if unknown:
        raise BadConfigError(
            f"{home}: there is no method {', '.join(unknown)}", hint=f"there are: {_list(fakes)}"
        )
    taken = [name for name in fakes if methods is None or name in methods]
    if flat:
        return [
            _Source(home / _KAGGLE_REALS, REAL, "youtube", flat),
            *(_Source(fakes[name], FAKE, _domain(name), flat) for name in taken),
        ]
    needed = {_domain(name) for name in taken}
    originals = [
        path for path in _folders(home / ORIGINALS) if methods is None or path.name in needed
    ]
    return [
        *(_Source(path, REAL, path.name) for path in originals),
        *(_Source(fakes[name], FAKE, _domain(name)) for name in taken),
    ]


def _domain(method: str) -> str:
    return "actors" if method == ACTED else "youtube"


def _folders(place: Path) -> list[Path]:
    return subfolders(place) if place.is_dir() else []


def list_videos(
    home: Path, methods: Sequence[str] | None, compression: str | None, skip: Skip
) -> Iterator[Video]:
    """Yields the videos of one compression and kind, the same for all sources.

    Args:
        home: The folder with the originals and the fakes.
        methods: The methods of manipulation; all if None.
        compression: The compression; the one that most sources have if None.
        skip: Gets what cannot be used.

    Raises:
        BadManifestError: If there is no video.
        BadConfigError: If a method or the compression is not there.
    """
    sources = _sources(home, methods)
    held = [_held(source) for source in sources]
    way = _common_way(home, held, compression)
    for source, ways in zip(sources, held, strict=True):
        if way not in ways:
            skip(
                source.folder.relative_to(home).as_posix(),
                f"has no folder {way} as the others have",
            )
            continue
        for path in source.media(way):
            try:
                yield Video(path, source.name, source.label, _parts(path, source))
            except BadManifestError as error:
                skip(path.relative_to(home).as_posix(), error.message)


def _held(source: _Source) -> list[str]:
    """Returns which of "c23/videos", "c23/images" ... a source has, the likeliest first."""
    ways = [f"{compression}/{kind}" for compression in COMPRESSIONS for kind in KINDS]
    return [way for way in ways if source.media(way)]


def _common_way(home: Path, held: Sequence[Sequence[str]], compression: str | None) -> str:
    """Returns what most sources have: codec and extraction must not depend on the class."""
    ways = list(dict.fromkeys(way for ways in held for way in ways))
    if not ways:
        raise BadManifestError(
            f"{home}: there is no video",
            hint=f"looked for {ORIGINALS}/*/c23/videos/*.mp4, and raw, c40, images and frames",
        )
    wanted = [way for way in ways if compression in (None, way.split("/")[0])]
    if not wanted:
        there = sorted({way.split("/")[0] for way in ways})
        raise BadConfigError(f"{home}: nothing is {compression}", hint=f"there are: {_list(there)}")
    order = [f"{level}/{kind}" for level in COMPRESSIONS for kind in KINDS]
    return min(wanted, key=lambda way: (-sum(way in have for have in held), order.index(way)))


def _media(folder: Path, kind: str) -> list[Path]:
    """Returns the videos of a folder or, of images/ and frames/, the folders of the videos."""
    if kind != KINDS[0]:
        return _folders(folder)
    return [path for path in entries(folder) if is_video(path) and path.name[0] != "."]


def _parts(path: Path, source: _Source) -> tuple[str, ...]:
    """Returns the originals that a video is made of, by domain and number."""
    name = path.name if path.is_dir() else path.stem
    if not is_utf8(name):
        raise BadManifestError("the file's name is not UTF-8")
    if source.label == REAL:
        number = _ORIGINAL.fullmatch(name)
        return (f"{source.domain}/{number[1] if number else name}",)
    pair = _TARGET_SOURCE.fullmatch(name)
    if pair is None:
        raise BadManifestError("the name is not TARGET_SOURCE: its originals are unknown")
    return tuple(f"{source.domain}/{number}" for number in pair.groups())


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
