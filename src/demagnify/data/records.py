"""What a manifest is made of: records, and what had to be left out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demagnify.errors import BadManifestError

COLUMNS: Final = ("file_name", "label", "split", "group")


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image.

    Attributes:
        path: Where the file lies.
        label: 0 real, 1 fake.
        split: "train", "val", "test", or any other name; "all" where the set has no splits.
        group: What must stay on one side of a split.
        extra: What else the manifest says of the image, by column.
    """

    path: Path
    label: int
    split: str
    group: str
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line or file that was left out.

    Attributes:
        where: The file, or the manifest and its line ("metadata.csv, line 7").
        reason: What is wrong with it.
    """

    where: str
    reason: str

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


def is_utf8(name: str) -> bool:
    """Whether a file's name can be written into a manifest; on Linux it may be any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
