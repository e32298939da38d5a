"""Reads folders called `real` and `fake`, with or without splits around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from demagnify import images
from demagnify.data import splits
from demagnify.data.labels import NAMES, parse_label
from demagnify.data.records import Record, Skipped, is_utf8, relative_name
from demagnify.errors import BadManifestError


def read(root: Path, *, strict: bool = False) -> tuple[list[Record], list[Skipped]]:
    """Reads the images in `root/real` and `root/fake`, or in the like folders of each split.

    Labels and splits come from the names of the folders (in any case; `Validation` is val), never
    from their order. Without split folders everything is in the split "all". Each file is a group
    of its own: which images belong together only a `metadata.csv` can say.

    Raises:
        BadManifestError: If there are no such folders or, when strict, at a file whose name
            cannot be written down.
    """
    places = list(_label_folders(root, splits.WHOLE))
    if not places:
        for folder in _subfolders(root):
            places.extend(_label_folders(folder, splits.parse_split(folder.name)))
    if not places:
        raise BadManifestError(
            f"{root}: there is no metadata.csv, and no folders real and fake",
            hint="see docs for the layouts that can be read",
        )
    records: list[Record] = []
    skipped: list[Skipped] = []
    for folder, label, split in places:
        for path in images.list_files(folder):
            name = relative_name(path, root)
            if is_utf8(name):
                records.append(Record(path, label, split, group=name))
                continue
            shown = name.encode("utf-8", "backslashreplace").decode()
            if strict:
                raise BadManifestError(f"{shown}: the file's name is not UTF-8")
            skipped.append(Skipped(shown, "the file's name is not UTF-8"))
    return records, skipped


def _label_folders(root: Path, split: str) -> Iterator[tuple[Path, int, str]]:
    for folder in _subfolders(root):
        if folder.name.lower() in NAMES:
            yield folder, parse_label(folder.name), split


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise BadManifestError(f"{root}: cannot be read: {error.strerror or error}") from error
