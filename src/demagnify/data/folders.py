"""Reads folders called `real` and `fake`, with or without splits around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from demagnify.core import images
from demagnify.core.errors import BadManifestError
from demagnify.data import splits
from demagnify.data.builder import ManifestBuilder
from demagnify.data.labels import NAMES, parse_label
from demagnify.data.manifest import Manifest
from demagnify.data.records import is_utf8


def read(root: Path, *, strict: bool = False) -> Manifest:
    """Reads the images in `root/real` and `root/fake`, or in the like folders of each split.

    Labels and splits come from the names of the folders (in any case; `Validation` is val), never
    from their order. Without split folders everything is in the split "all". Each file is a group
    of its own: which images belong together only a `metadata.csv` can say.

    Raises:
        BadManifestError: If there are no such folders or, when strict, at a file whose name
            cannot be written down, or a folder that cannot be read.
    """
    found = places(root)
    if not found:
        raise BadManifestError(
            f"{root}: there are no folders real and fake",
            hint="see docs for the layouts that can be read",
        )
    builder = ManifestBuilder(root, strict=strict)
    for folder, label, split in found:
        for path in images.list_files(folder, unreadable=lambda *told: _skip(builder, *told)):
            name = path.relative_to(root).as_posix()
            if is_utf8(name):
                builder.add_row(name, label, split, group=name)
            else:
                _skip(builder, path, "the file's name is not UTF-8")
    return builder.build()


def _skip(builder: ManifestBuilder, path: Path, reason: str) -> None:
    name = path.relative_to(builder.root).as_posix()
    builder.skip(name.encode("utf-8", "backslashreplace").decode(), reason)


def places(root: Path) -> list[tuple[Path, int, str]]:
    """Returns the folders that hold images of one label, with that label and their split.

    Raises:
        BadManifestError: If `root` cannot be read.
    """
    direct = list(_label_folders(root, splits.WHOLE))
    return direct or [
        place
        for folder in _subfolders(root)
        for place in _label_folders(folder, splits.parse_split(folder.name))
    ]


def _label_folders(root: Path, split: str) -> Iterator[tuple[Path, int, str]]:
    for folder in _subfolders(root):
        if folder.name.lower() in NAMES:
            yield folder, parse_label(folder.name), split


def _subfolders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise BadManifestError(f"{root}: cannot be read: {error.strerror or error}") from error
