"""The parts of a manifest: records, their boxes, and lines that were left out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from demagnify.core.errors import BadImageError, BadManifestError

COLUMNS: Final = ("file_name", "label", "split", "group")
BOX: Final = ("x", "y", "width", "height")
VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
PHOTO_SIZE: Final = "photo_size"
"""The column with the size of the photograph that a box is meant for, as in "1024x683"."""
SOURCE_GROUP: Final = "source_group"
"""The column with the group for new splits, of files that an official split parts from it."""


class Box(NamedTuple):
    """Where a face lies, in pixels of the decoded photograph, upright by its EXIF orientation.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width, more than 0.
        height: Height, more than 0.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image, or a face that has yet to be cut out of a photograph or video.

    Attributes:
        path: Where the file lies.
        label: 0 real, 1 fake.
        split: "train", "val", "test", or any other name; "all" where the set has no splits.
        group: Images of one group stay on one side of a split.
        extra: Further columns of the manifest.
        box: The face to cut out; None if the image is a face crop already, or if it is unknown.
        frame: Number of the frame, from 0, if the file is a video; None for frames spread evenly.
    """

    path: Path
    label: int
    split: str
    group: str
    extra: Mapping[str, str] = field(default_factory=dict)
    box: Box | None = None
    frame: int | None = None

    @property
    def video(self) -> bool:
        """Whether the file is a video, by its suffix."""
        return is_video(self.path)

    @property
    def prepared(self) -> bool:
        """Whether the file is a face crop, with nothing to be cut out of it any more."""
        return self.box is None and self.frame is None and not self.video


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line or file that was left out.

    Attributes:
        where: The file, or the manifest and its line ("metadata.csv, line 7").
        reason: What is wrong with it.
        contradicts: The file that it names, if that stands under the other label as well.

    Example:
        >>> str(Skipped("metadata.csv, line 7", "the group is empty"))
        'metadata.csv, line 7: the group is empty'
    """

    where: str
    reason: str
    contradicts: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """How many images of each label a split has."""

    split: str
    real: int
    fake: int

    @property
    def imbalance(self) -> float:
        """Fakes per real image; infinite without real images."""
        return self.fake / self.real if self.real else math.inf


def relative_name(path: Path, root: Path) -> str:
    """Returns the name of `path` below `root`, with forward slashes.

    Raises:
        BadManifestError: If `path` lies outside `root`.
    """
    name = os.path.relpath(path, root)
    if name.split(os.sep, 1)[0] == os.pardir:
        raise BadManifestError(f"{path} lies outside {root}")
    return Path(name).as_posix()


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_utf8(name: str) -> bool:
    """Whether a file's name can be written into a manifest; on Linux it may be any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def reason_of(error: BadImageError, path: Path) -> str:
    """Returns the message of an error without the name of the file, for a `Skipped`."""
    return error.message.removeprefix(f"{path}: ")
