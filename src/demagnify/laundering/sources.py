"""The files that are attacked, their labels, and the names of their copies."""

from __future__ import annotations

import itertools
import json
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
from PIL import Image, UnidentifiedImageError

from demagnify.core import images
from demagnify.core.errors import BadConfigError, BadManifestError
from demagnify.core.files import short_name
from demagnify.core.printing import storable
from demagnify.data import formats
from demagnify.data.boxes import ORIENTATION, stated_size
from demagnify.data.columns import EXTRA
from demagnify.data.manifest import Manifest
from demagnify.data.photographs import SaveAs
from demagnify.data.records import BOX, Record, Skipped, is_utf8, relative_name
from demagnify.laundering.config import AttackConfig, Content

LARGEST_CROP: Final = 512
"""Pixels; a larger square is taken for a photograph."""
SAMPLED: Final = 32
"""How many files are opened to tell photographs from face crops."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to attack."""

    path: Path  # where it lies
    name: str  # its name below the folder that was given, with forward slashes
    target: str  # the name of the attacked copy below the output folder
    # in the manifest: one, or one for each face with a box; none for a file without a label
    records: tuple[Record, ...] = ()

    @property
    def labels(self) -> set[int]:
        """The labels of the faces in it; empty if they are unknown."""
        return {record.label for record in self.records}

    @property
    def request(self) -> str:
        """What decides which faces in it are attacked: labels and boxes, as JSON."""
        entries = (
            [one.label, one.box, stated_size(one.extra), one.extra.get(ORIENTATION, "")]
            for one in self.records
        )
        return json.dumps(list(entries))


class Sources:
    """The files of a folder or manifest, in order; each is made on request.

    Args:
        root: The folder that all of them lie in.
        save_as: How copies are saved, on which their names depend.
        manifest: The labelled set; None for files without labels.
        names: Names below `root` of files without labels.
        skipped: What was left out on reading.
    """

    def __init__(
        self,
        root: Path,
        save_as: SaveAs,
        *,
        manifest: Manifest | None = None,
        names: Sequence[str] = (),
        skipped: Iterable[Skipped] = (),
    ) -> None:
        self.root = root
        self.skipped = list(skipped)
        self._manifest = None if manifest is None else _by_file(manifest)
        self._names = names if self._manifest is None else self._manifest.names
        self._count = len(set(self._names))
        self._renamed = _renamed(self._names) if save_as == "png" else None

    @property
    def labelled(self) -> bool:
        """Whether labels are known."""
        return self._manifest is not None

    @property
    def further_columns(self) -> list[str]:
        """The columns that the manifest has beside label, split and group."""
        if self._manifest is None:
            return []
        names = self._manifest.table.column_names
        extra = [name.removeprefix(EXTRA) for name in names if name.startswith(EXTRA)]
        return [name for name in BOX if name in names] + extra

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Source]:
        if self._manifest is None:
            for name in self._names:
                yield Source(self.root / name, name, self._target(name))
            return
        rows = zip(self._names, self._manifest, strict=True)
        for name, group in itertools.groupby(rows, key=lambda row: row[0]):
            records = tuple(record for _, record in group)
            yield Source(records[0].path, name, self._target(name), records)

    def _target(self, name: str) -> str:
        if self._renamed is None or name.endswith(".png"):
            return name
        return self._renamed.get(name) or _as_png(name)

    def content(self) -> Content:
        """Tells photographs from face crops; see `AttackConfig.content`."""
        step = max(1, len(self) // SAMPLED)
        sampled = list(itertools.islice(self, 0, None, step))
        if any(record.box for source in sampled for record in source.records):
            return "photos"
        sizes = [size for source in sampled if (size := _size(source.path)) is not None]
        crops = all(width == height <= LARGEST_CROP for width, height in sizes)
        return "crops" if sizes and crops else "photos"


def read_sources(source: Path, config: AttackConfig) -> Sources:
    """Lists the files of a manifest, of a folder without labels, or a single photograph."""
    found = _read(source, strict=config.strict, save_as=config.save_as)
    if config.faces != "all" and not found.labelled:
        raise BadConfigError(
            f"{source} has no labels, so {config.faces} cannot be chosen",
            hint="give folders real and fake, or a metadata.csv",
        )
    return found


def _read(source: Path, *, strict: bool, save_as: SaveAs) -> Sources:
    if images.is_image(source):
        return Sources(source.parent, save_as, names=[source.name])
    if source.is_dir() and formats.find(source) is None:
        return _unlabelled(source, save_as, strict=strict)
    manifest = Manifest.load(source, strict=strict)
    return Sources(manifest.root, save_as, manifest=manifest, skipped=manifest.skipped)


def _unlabelled(folder: Path, save_as: SaveAs, *, strict: bool) -> Sources:
    names: list[str] = []
    skipped: list[Skipped] = []

    def skip(path: Path, reason: str) -> None:
        shown = storable(relative_name(path, folder))
        skipped.append(Skipped(shown, reason))
        if strict:
            raise BadManifestError(str(skipped[0]))

    for path in images.list_files(folder, on_skip=skip):
        name = relative_name(path, folder)
        if is_utf8(name):
            names.append(name)
        else:
            skip(path, "the file's name is not UTF-8")
    if not names:
        first = f"; the first of {len(skipped)} skipped: {skipped[0]}" if skipped else ""
        raise BadManifestError(
            f"{folder}: there is no image{first}", hint="give a folder of photographs"
        )
    return Sources(folder, save_as, names=names, skipped=skipped)


def _by_file(manifest: Manifest) -> Manifest:
    """Returns the manifest with all records of a file in a row, in the order of the files."""
    files = pc.dictionary_encode(manifest.table["file_name"].combine_chunks())
    numbers = np.asarray(files.indices)
    if (np.diff(numbers) >= 0).all():
        return manifest
    return manifest[np.argsort(numbers, kind="stable")]


def _renamed(names: Iterable[str]) -> dict[str, str]:
    """Returns new names for files that cannot just have ".png" for their suffix.

    photo.jpg beside photo.png becomes photo.jpg.png; a name too long for that is cut and marked.
    """
    distinct = dict.fromkeys(names)
    taken = {name for name in distinct if name.endswith(".png")}
    renamed: dict[str, str] = {}
    for name in distinct:
        if name.endswith(".png"):
            continue
        target = _as_png(name)
        if target in taken or _is_long(target):
            target = f"{name}.png"
            if _is_long(target):
                folder, last = posixpath.split(name)
                target = posixpath.join(folder, f"{short_name(last, _KEPT, of=name)}.png")
            while target in taken:
                target = target.removesuffix(".png") + "_.png"
            renamed[name] = target
        taken.add(target)
    return renamed


_KEPT: Final = 200
_LONGEST: Final = 255
"""Bytes that are kept of a name that is too long, and that most disks allow."""


def _is_long(name: str) -> bool:
    return len(os.fsencode(posixpath.basename(name))) > _LONGEST


def _as_png(name: str) -> str:
    return f"{posixpath.splitext(name)[0]}.png"


def _size(path: Path) -> tuple[int, int] | None:
    """Returns width and height from the head of a file; None if it has none."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError):
        return None
