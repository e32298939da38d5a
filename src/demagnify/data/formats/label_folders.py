"""Folders called `real` and `fake`, with or without splits around them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from demagnify.data import folders
from demagnify.data.format import Format, FormatOptions
from demagnify.data.formats import kaggle_crops
from demagnify.data.manifest import Manifest


class LabelFolders(Format[FormatOptions]):
    """Folders `real/` and `fake/`, directly or inside of `train/`, `val/` and `test/`."""

    name: ClassVar[str] = "folders"
    summary: ClassVar[str] = "folders real/ and fake/, directly or inside of train/, val/, test/"
    options_type = FormatOptions

    def recognises(self, source: Path) -> bool:
        """Whether there is such a folder, in a data set that has no format of its own."""
        if not source.is_dir() or kaggle_crops.is_itself(source):
            return False
        return bool(folders.places(source))

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the images; see `demagnify.data.folders`."""
        return folders.read(source, strict=strict)
