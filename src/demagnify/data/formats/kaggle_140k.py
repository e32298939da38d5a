"""Kaggle's "140k real and fake faces": 70,000 photographs of Flickr, 70,000 faces of StyleGAN.

The set holds `train.csv`, `valid.csv` and `test.csv` beside the folder of the pictures::

    ,original_path,id,label,label_str,path
    0,/kaggle/input/.../31355.jpg,31355,1,real,train/real/31355.jpg

with `path` below `real_vs_fake/real-vs-fake/`. Its column `label` says 1 for real, the other way
round than everywhere else: the words in `label_str` count. The faces are 256x256 crops.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from demagnify.core.errors import BadManifestError
from demagnify.data import splits
from demagnify.data.formats.base import FORMATS, Format, FormatOptions
from demagnify.data.manifest import Manifest
from demagnify.data.tables import TableFile, read_columns, read_tables

_WORDS: Final = "label_str"
_COLUMNS: Final = frozenset({"original_path", "id", "label", _WORDS})


@FORMATS.register("kaggle-140k")
class Kaggle140k(Format[FormatOptions]):
    """The tables of the set, or one of them."""

    name: ClassVar[str] = "kaggle-140k"
    order: ClassVar[int] = 5
    summary: ClassVar[str] = "train.csv, valid.csv, test.csv of Kaggle's 140k faces, or one of them"
    crops: ClassVar[bool] = True
    refused: ClassVar[str] = (
        "rows whose picture is missing, and pictures that could lie in several folders"
    )

    def recognises(self, source: Path) -> bool:
        """Whether it is such a table, or a folder that holds one."""
        return bool(_tables(source))

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the tables, with the words for labels.

        Raises:
            BadManifestError: If there are no such tables, or none of their pictures.
        """
        files = _tables(source)
        if not files:
            raise BadManifestError(
                f"{source}: there is no table with {', '.join(sorted(_COLUMNS))}"
            )
        root = source.parent if source.is_file() else source
        return read_tables(files, root, strict=strict)


def _tables(source: Path) -> list[TableFile]:
    paths = [source] if source.is_file() else sorted(source.glob("*.csv"))
    return [
        TableFile(
            path,
            splits.parse_split(path.stem) if splits.is_usual(path.stem) else splits.WHOLE,
            words=_WORDS,
        )
        for path in paths
        if path.suffix.lower() == ".csv" and _is_table(path)
    ]


def _is_table(path: Path) -> bool:
    try:
        return set(read_columns(path)) >= _COLUMNS
    except (BadManifestError, OSError):
        return False  # another format's reader says what is wrong
