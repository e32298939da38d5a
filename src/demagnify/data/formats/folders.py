"""Folders called `real` and `fake`, with or without splits around them; Kaggle's face crops.

They hold images, videos, or both; frames of videos are taken evenly when faces are cut out.

"deepfake and real images" on Kaggle holds OpenForensics' faces as 256x256 crops in
`Dataset/{Train,Validation,Test}/{Fake,Real}/*.jpg`, perhaps with a folder or two around it. In the
order of the folders' names fake comes first, the other way round than in OpenForensics' own files:
labels come from the names. Nothing says which crops were cut from one photograph, so each is a
group of its own, and faces of one photograph may be on both sides of a split. Where numbered
images start again in each folder below a label, as frames do, such a folder is one group
(WildDeepfake). Splits may be in the names of the labels' folders too: `real_train`, `fake_test`.
Of several folders with folders of labels each, such as GenImage's generators, one has to be given.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from demagnify.core import images
from demagnify.core.errors import BadImageError, BadManifestError
from demagnify.core.image_files import is_companion
from demagnify.data import splits
from demagnify.data.formats.base import FORMATS, Format, FormatOptions
from demagnify.data.labels import FAKE, NAMES, REAL, named_label
from demagnify.data.listing import levels, subfolders
from demagnify.data.manifest import FILE_NAME, Manifest, ManifestBuilder
from demagnify.data.records import VIDEO_SUFFIXES, is_utf8, is_video


@FORMATS.register("folders")
class LabelFolders(Format[FormatOptions]):
    """Folders `real/` and `fake/`, directly or inside of `train/`, `val/` and `test/`."""

    name: ClassVar[str] = "folders"
    order: ClassVar[int] = 55
    summary: ClassVar[str] = (
        "folders real/ and fake/ of images or videos, directly or inside of train/, val/, test/"
    )
    refused: ClassVar[str] = (
        "folders beside them whose names say neither real nor fake, images and videos "
        "outside of them, and files that are neither image nor video"
    )

    def recognises(self, source: Path) -> bool:
        """Whether there is such a folder, in a data set that has no format of its own."""
        if not source.is_dir() or _is_kaggles(source):
            return False
        return bool(_places(source))

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the images; see `_read`."""
        return _read(source, strict=strict)


def _read(root: Path, *, strict: bool = False) -> Manifest:
    """Reads the images in `root/real` and `root/fake`, or in the like folders of each split.

    Labels and splits come from the names of the folders (see `named_label`; `Validation` is val),
    never from their order. Without split folders everything is in the split "all". Each file is a
    group of its own, but for numbered frames in folders: which images belong together only a
    `metadata.csv` can say. A file that links put under both labels is left out.

    Raises:
        BadManifestError: If there are no such folders or, when strict, at a file whose name
            cannot be written down, or a folder that cannot be read.
    """
    found = _places(root)
    if not found:
        raise BadManifestError(
            f"{root}: there are no folders real and fake",
            hint="see docs for the layouts that can be read",
        )
    builder = ManifestBuilder(root, strict=strict)
    for path, reason in _left_out(root, [folder for folder, _, _ in found]):
        builder.skip(path, reason)
    links = _Links(found)
    for folder, label, split in found:
        paths = images.list_files(folder, on_skip=builder.skip, also=VIDEO_SUFFIXES)
        frames = _hold_frames(folder, paths)
        for path in paths:
            name = path.relative_to(root).as_posix()
            other = _contradicting(path.relative_to(folder), label)
            if other:
                builder.skip(path, f"the folder {other} contradicts {folder.name} around it")
            elif other := links.contradicting(path, label):
                builder.skip(path, f"is the same file as one in {other}, by a link")
            elif is_utf8(name):
                grouped = frames and not is_video(path)
                group = name.rpartition("/")[0] if grouped else name
                builder.add_row(name, label, split, group=group)
            else:
                builder.skip(path, "the file's name is not UTF-8")
    return builder.build()


_NUMBERED: Final = re.compile(r"[^\W\d_]*[\W_]*\d+")


def _hold_frames(folder: Path, paths: Sequence[Path]) -> bool:
    """Whether the images are numbered and start again in each folder, as frames of videos do."""
    below = [path for path in paths if path.parent != folder]
    if len(below) < len(paths) or not all(_NUMBERED.fullmatch(path.stem) for path in below):
        return False
    return len({path.name for path in below}) < len(below)


def _contradicting(path: Path, label: int) -> str:
    """Returns the first folder of a path that is called like the other label; empty if none is."""
    return next((part for part in path.parent.parts if named_label(part) == 1 - label), "")


class _Links:
    """Tells the files that links put under both labels.

    Args:
        places: The folders of labels.
    """

    def __init__(self, places: Sequence[tuple[Path, int, str]]) -> None:
        self._places = [(os.path.realpath(folder), folder, label) for folder, label, _ in places]
        self._parents: dict[Path, tuple[int, str]] = {}
        self._hard: dict[tuple[int, int], tuple[int, str]] = {}

    def contradicting(self, path: Path, label: int) -> str:
        """Returns the folder of the other label that holds the same file; empty if none does."""
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            found = self._home(os.path.realpath(path))
        elif status.st_nlink > 1:
            folder = next(name for _, name, _ in self._places if path.is_relative_to(name))
            found = self._hard.setdefault((status.st_dev, status.st_ino), (label, folder.name))
        else:
            if path.parent not in self._parents:
                self._parents[path.parent] = self._home(os.path.realpath(path.parent))
            found = self._parents[path.parent]
        return found[1] if found[0] == 1 - label else ""

    def _home(self, place: str) -> tuple[int, str]:
        """Returns label and name of the folder that a place lies in; the innermost one counts."""
        inside = [
            (len(real), label, folder.name)
            for real, folder, label in self._places
            if place == real or place.startswith(real + os.sep)
        ]
        _, label, name = max(inside, default=(0, -1, ""))
        return label, name


def _left_out(root: Path, known: Sequence[Path]) -> list[tuple[Path, str]]:
    """Returns the images and folders with images beside the folders of labels, and why."""
    around = {place for folder in known for place in folder.parents if root in place.parents}
    found: list[tuple[Path, str]] = []
    for place in {root, *around}:
        for path in place.iterdir():
            if path.name.startswith(".") or path in around or path in known:
                continue
            if images.is_image(path) or is_video(path):
                reason = "the image lies beside the folders of the labels, in none of them"
                found.append((path, reason))
            elif path.is_dir() and not _has_table(path):
                count = _count(path)
                reason = (
                    "its folders of labels lie deeper than the others, give it by itself"
                    if _places(path)
                    else "the folder's name says neither real nor fake"
                )
                if count:
                    found.append((path, f"{reason}; {count} files are left out"))
    return sorted(found)


def _count(folder: Path) -> int:
    try:
        return len(images.list_files(folder, on_skip=lambda *_: None, also=VIDEO_SUFFIXES))
    except BadImageError:  # it cannot be read
        return 0


def _places(root: Path) -> list[tuple[Path, int, str]]:
    """Returns the folders that hold images of one label, with that label and their split.

    Words other than real and fake count where folders of both labels are there: `original` alone
    says nothing.

    Raises:
        BadManifestError: If `root` cannot be read.
    """
    direct = list(_label_folders(root, splits.WHOLE))
    found = _named_splits(direct) or [
        place
        for folder in subfolders(root, hidden=True)
        for place in _label_folders(folder, splits.parse_split(folder.name))
    ]
    both = {label for _, label, _ in found} == {REAL, FAKE}
    return found if both or any(folder.name.lower() in NAMES for folder, _, _ in found) else []


def _named_splits(places: list[tuple[Path, int, str]]) -> list[tuple[Path, int, str]]:
    """Returns the folders with the splits that their names say, if they say several."""
    said = [
        {splits.parse_split(word) for word in _WORD.findall(folder.name) if splits.is_usual(word)}
        for folder, _, _ in places
    ]
    if not all(len(one) == 1 for one in said) or len(set.union(set(), *said)) < 2:
        return places
    return [
        (folder, label, name)
        for (folder, label, _), one in zip(places, said, strict=True)
        for name in one
    ]


_WORD: Final = re.compile(r"[^\W\d_]+")


def _label_folders(root: Path, split: str) -> Iterator[tuple[Path, int, str]]:
    for folder in subfolders(root, hidden=True):
        label = named_label(folder.name)
        if label is None:
            continue
        inside = _split_folders(folder) if split == splits.WHOLE else []
        if inside:
            yield from ((place, label, splits.parse_split(place.name)) for place in inside)
        else:
            yield folder, label, split


def _split_folders(folder: Path) -> list[Path]:
    """Returns the folders of splits inside of a folder of one label, if it holds nothing else."""
    with contextlib.suppress(BadManifestError):
        places = subfolders(folder)
        if all(splits.is_usual(path.name) for path in places) and not any(
            path.is_file() and not is_companion(path) for path in folder.iterdir()
        ):
            return places
    return []


_SPLITS: Final = ("Train", "Validation", "Test")


@FORMATS.register("kaggle")
class KaggleCrops(LabelFolders):
    """Split folders with `Real/` and `Fake/`, inside of a folder or two."""

    name: ClassVar[str] = "kaggle"
    order: ClassVar[int] = 60
    summary: ClassVar[str] = "Dataset/{Train,Validation,Test}/{Fake,Real} (Kaggle's OpenForensics)"
    crops: ClassVar[bool] = True

    def recognises(self, source: Path) -> bool:
        """Whether it is called `Dataset` and has them, or exactly one folder below has."""
        return source.is_dir() and (_is_kaggles(source) or _home(source) not in (None, source))

    def read(self, source: Path, options: FormatOptions, *, strict: bool) -> Manifest:  # noqa: ARG002
        """Reads the images; see `_read`.

        Raises:
            BadManifestError: If there are no such folders, or several places that have them.
        """
        home = _home(source)
        if home is None:
            raise BadManifestError(f"{source}: there is not one folder such as {self.summary}")
        return _read(home, strict=strict)


def _is_kaggles(source: Path) -> bool:
    """Whether a folder is Kaggle's `Dataset/` with all six folders, written as they are there."""
    parts = (source / split / label for split in _SPLITS for label in ("Fake", "Real"))
    return source.resolve().name == "Dataset" and all(part.is_dir() for part in parts)


def _home(source: Path) -> Path | None:
    """Returns the only place with folders of labels, the source or up to two folders below it.

    A folder with a table of its own is another data set, such as the crops made of this one.
    """
    for level in levels(source):
        level[:] = [place for place in level if place == source or not _has_table(place)]
        homes = [place for place in level if _places(place)]
        if homes:
            return homes[0] if len(homes) == 1 else None
    return None


def _has_table(place: Path) -> bool:
    return (place / FILE_NAME).is_file()
