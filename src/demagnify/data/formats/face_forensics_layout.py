"""Where FaceForensics++ keeps its videos; see `demagnify.data.formats.face_forensics`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.data import videos
from demagnify.data.formats.json_text import Skip
from demagnify.data.labels import FAKE, REAL
from demagnify.data.records import is_utf8

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
    if not place.is_dir():
        return []
    return [path for path in _entries(place) if path.is_dir() and path.name[0] != "."]


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
    """Returns what most sources have, so that codec and extraction tell no classes apart."""
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
    return [
        path
        for path in _entries(folder)
        if path.suffix.lower() in videos.SUFFIXES and path.name[0] != "."
    ]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise BadManifestError(f"{folder}: cannot be read: {error.strerror or error}") from error


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
        raise BadManifestError("the name is not TARGET_SOURCE: nobody can say whose fake it is")
    return tuple(f"{source.domain}/{number}" for number in pair.groups())


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
