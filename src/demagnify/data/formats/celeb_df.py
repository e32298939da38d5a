"""Celeb-DF, version 1 and 2, as it is unpacked: three folders of videos and a list of test videos.

Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics", CVPR 2020::

    Celeb-real/id0_0000.mp4    YouTube-real/00000.mp4    Celeb-synthesis/id0_id1_0000.mp4
    List_of_testing_videos.txt      1 YouTube-real/00170.mp4

What to know of it:

* Labels come from the folders. In the list 1 means real; a list that says otherwise is refused.
* The fake id0_id1_0000 shows the video id0_0000 with the face of id1: both are one group.
* The list names the test videos. The rest is for training; a tenth of its groups is `val`.
* Some fakes outside of the list are made from videos that are in it. They are kept for training,
  as everybody does, in a group of their own, and their number is said; `overlap=skip` leaves
  them out. New splits (`data prepare --new-splits`) keep them with their source.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field

from demagnify.core import images
from demagnify.core.errors import BadManifestError, DemagnifyWarning
from demagnify.data.formats.base import FORMATS, Format, FormatOptions, create
from demagnify.data.labels import FAKE, REAL, label_name
from demagnify.data.listing import levels
from demagnify.data.manifest import Manifest, ManifestBuilder
from demagnify.data.records import SOURCE_GROUP, VIDEO_SUFFIXES, is_utf8, is_video
from demagnify.data.splits import split_of

LIST: Final = "List_of_testing_videos.txt"
FOLDERS: Final[Mapping[str, int]] = {
    "Celeb-real": REAL,
    "YouTube-real": REAL,
    "Celeb-synthesis": FAKE,
}

_LINE: Final = re.compile(r"\s*(\S+)[\s,;]+(\S.*?)\s*")
_NUMBERS: Final = {"1": REAL, "0": FAKE}
_FAKE_NAME: Final = re.compile(r"(id\d+)_id\d+(_\d+)")
_TRAINING: Final = {"train": 0.9, "val": 0.1}


class CelebDfOptions(FormatOptions):
    """What can be set on reading Celeb-DF."""

    overlap: Literal["keep", "skip"] = Field(
        "keep",
        description="What becomes of training videos that are made from a test video, or that a "
        "test video is made from.",
    )


@dataclass(frozen=True, slots=True)
class _File:
    """A video, or a frame of one; `video` is "Celeb-real/id0_0000"."""

    name: str
    label: int
    video: str
    source: str


@FORMATS.register("celeb-df")
class CelebDf(Format[CelebDfOptions]):
    """The folders of Celeb-DF, or its list of test videos."""

    name: ClassVar[str] = "celeb-df"
    order: ClassVar[int] = 6
    summary: ClassVar[str] = f"a folder with {', '.join(FOLDERS)} (Celeb-DF), or {LIST}"
    refused: ClassVar[str] = (
        "a list in which 1 is fake, since it contradicts the folders, and listed videos "
        "that are missing"
    )
    options_type = CelebDfOptions

    def recognises(self, source: Path) -> bool:
        """Whether it is a folder with real and fake ones, and no table; or the list in one."""
        if source.is_file():
            return source.name == LIST and _home(source.parent) is not None
        return _home(source) is not None and not create("metadata").recognises(source)

    def read(self, source: Path, options: CelebDfOptions, *, strict: bool) -> Manifest:
        """Lists the videos; given the list of test videos, those alone.

        Raises:
            BadManifestError: If the folders are not there, or the list contradicts them.
        """
        home = _home(source.parent if source.is_file() else source)
        if home is None:
            raise BadManifestError(f"{source}: there are no folders {', '.join(FOLDERS)}")
        builder = ManifestBuilder(home, strict=strict)
        found = _files(home, builder)
        listed = _listed(home / LIST, {one.video for one in found}, builder)
        sources = {one.source for one in found if one.video in listed}
        overlapping = 0
        for one in found:
            split, group = _split(one.source, listed), one.source
            extra = {"method": one.video.split("/")[0], "video": one.video}
            if one.video in listed:
                split = "test"
            elif source.is_file():
                continue
            elif one.source in sources:
                overlapping += 1
                group = f"{one.source} (training)"
                extra[SOURCE_GROUP] = one.source
                if options.overlap == "skip":
                    builder.skip(one.name, f"{one.source} is in the official list of test videos")
                    continue
            builder.add_row(one.name, one.label, split, group, extra=extra)
        if overlapping and options.overlap == "keep":
            _warn(
                home,
                f"{overlapping} files of training share a source video with a test video, as in "
                "the official list; overlap=skip leaves them out",
            )
        return builder.build()


def source_video(fake: str) -> str:
    """Returns the name of the video that a fake of Celeb-DF is made from; "" of other names.

    Example:
        >>> source_video("id0_id1_0002")
        'id0_0002'
    """
    pair = _FAKE_NAME.fullmatch(fake)
    return f"{pair[1]}{pair[2]}" if pair else ""


def _warn(home: Path, message: str) -> None:
    warnings.warn(f"{home}: {message}", DemagnifyWarning, stacklevel=3)


def _split(source: str, listed: Mapping[str, int]) -> str:
    return split_of(source, _TRAINING) if listed else split_of(source)


def _home(source: Path) -> Path | None:
    """Returns the folder with real and fake videos: the source, or the only one in it."""
    homes = [
        place
        for level in levels(source, deep=1)
        for place in level
        if {label for name, label in FOLDERS.items() if os.path.isdir(place / name)}  # noqa: PTH112
        == {REAL, FAKE}
    ]
    return homes[0] if len(homes) == 1 else None


def _files(home: Path, builder: ManifestBuilder) -> list[_File]:
    """Returns the videos, and the images: frames in a folder called like their video."""
    found = []

    for folder, label in FOLDERS.items():
        place = home / folder
        if not place.is_dir():
            builder.skip(place, "there is no such folder")
            continue
        for path in images.list_files(place, on_skip=builder.skip, also=VIDEO_SUFFIXES):
            if not is_utf8(str(path)):
                builder.skip(path, "the file's name is not UTF-8")
                continue
            video = is_video(path) or path.parent == place
            name = path.stem if video else path.parent.name
            origin = source_video(name) if label == FAKE else ""
            source = f"Celeb-real/{origin}" if origin else f"{folder}/{name}"
            below = path.relative_to(home).as_posix()
            found.append(_File(below, label, f"{folder}/{name}", source))
    return found


def _listed(path: Path, there: set[str], builder: ManifestBuilder) -> dict[str, int]:
    """Returns the test videos with their labels.

    Raises:
        BadManifestError: If the list cannot be read, or its numbers contradict the folders.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        _warn(builder.root, f"there is no {LIST}; videos are split by their source videos instead")
        return {}
    except (OSError, UnicodeError) as error:
        raise BadManifestError(f"{path}: cannot be read: {error}") from error
    listed: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        video = match[2].replace("\\", "/").rpartition(".")[0] if match else ""
        folder = video.split("/")[0]
        if match is None or folder not in FOLDERS:
            if line.strip() and number > 1:  # the first line may be a heading
                builder.skip(f"{LIST}, line {number}", "is no number and video")
            continue
        if _NUMBERS.get(match[1]) != FOLDERS[folder]:
            raise BadManifestError(
                f"{path}, line {number}: {match[1]!r} stands for {label_name(1 - FOLDERS[folder])} "
                f"there, but {folder} holds {label_name(FOLDERS[folder])} videos",
                hint="in the official list 1 is real and 0 is fake",
            )
        if video not in there:
            builder.skip(f"{LIST}, line {number}", f"{match[2]}: there is no such file")
        listed[video] = FOLDERS[folder]
    return listed
