"""OpenForensics' faces as they are shared on Kaggle ("deepfake and real images"): 256x256 crops.

`Dataset/{Train,Validation,Test}/{Fake,Real}/*.jpg`, and what is laid out like it with a folder or
two around it. Labels come from the folders' names: in the order of their names fake comes first,
which is the other way round than in OpenForensics' own files.

What to know of it: nothing says which crops were cut from one photograph, so each is a group of
its own here, and faces of one photograph may be on both sides of a split.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Final

from demagnify.core.errors import BadManifestError
from demagnify.data import folders
from demagnify.data.format import Format, FormatOptions
from demagnify.data.manifest import FILE_NAME, Manifest

_DEPTH: Final = 2
_SPLITS: Final = ("Train", "Validation", "Test")


class KaggleCrops(Format[FormatOptions]):
    """Split folders with `Real/` and `Fake/`, inside of a folder or two."""

    name: ClassVar[str] = "kaggle"
    summary: ClassVar[str] = "Dataset/{Train,Validation,Test}/{Fake,Real} (Kaggle's OpenForensics)"
    crops: ClassVar[bool] = True
    options_type = FormatOptions

    def recognises(self, source: Path) -> bool:
        """Whether it is called `Dataset` and has them, or exactly one folder below has."""
        return source.is_dir() and (is_itself(source) or _home(source) not in (None, source))

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the images; see `demagnify.data.folders`.

        Raises:
            BadManifestError: If there are no such folders, or several places that have them.
        """
        home = _home(source)
        if home is None:
            raise BadManifestError(f"{source}: there is not one folder such as {self.summary}")
        return folders.read(home, strict=strict)


def is_itself(source: Path) -> bool:
    """Whether a folder is Kaggle's `Dataset/` with all six folders, written as they are there."""
    parts = (source / split / label for split in _SPLITS for label in ("Fake", "Real"))
    return source.resolve().name == "Dataset" and all(part.is_dir() for part in parts)


def _home(source: Path) -> Path | None:
    """Returns the only place with folders of labels, the source or up to two folders below it."""
    level = [source]
    for _ in range(_DEPTH + 1):
        homes = [place for place in level if folders.places(place)]
        if homes:
            return homes[0] if len(homes) == 1 else None
        level = [path for place in level for path in _visible_folders(place)]
    return None


def _visible_folders(place: Path) -> list[Path]:
    """Returns the folders in a place that are not hidden, and that may be looked into.

    One with a table of its own is another data set, such as the crops that were made of this one.
    """
    with os.scandir(place) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    found = [place / name for name in sorted(names)]
    return [
        path
        for path in found
        if os.access(path, os.R_OK | os.X_OK) and not (path / FILE_NAME).is_file()
    ]
