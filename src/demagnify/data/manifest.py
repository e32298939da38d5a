"""A labelled set of face images: which files, real or fake, in which split and group.

On disk it is a folder with `metadata.csv`, the convention of Hugging Face image folders::

    file_name,label,split,group
    train/real/0001.png,real,train,0001
    train/fake/0001.png,fake,train,0001

`file_name` is relative to the CSV's folder. Further columns are kept as they are. Without a
`split` column everything is in the split "all"; without a `group` column each file is a group of
its own. Folders `real/` and `fake/` without any CSV are read by `demagnify.data.folders`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, overload

from demagnify.data import csv_reader, folders, splits
from demagnify.data.labels import FAKE, REAL, label_name
from demagnify.data.records import COLUMNS, Record, Skipped, SplitCounts, relative_name
from demagnify.errors import BadManifestError
from demagnify.files import write_text

__all__ = ["FILE_NAME", "Manifest", "Record", "Skipped", "SplitCounts"]

FILE_NAME: Final = "metadata.csv"


class Manifest(Sequence[Record]):
    """An ordered set of labelled images below one folder.

    Args:
        records: The images.
        root: The folder that all of them lie in.
        skipped: What was left out on reading.
    """

    def __init__(
        self, records: Iterable[Record], *, root: Path, skipped: Iterable[Skipped] = ()
    ) -> None:
        self._records = tuple(records)
        self.root = root
        self.skipped = tuple(skipped)

    @classmethod
    def load(cls, source: Path, *, strict: bool = False) -> Manifest:
        """Reads a manifest from a CSV file, a folder with metadata.csv, or real/ and fake/.

        Args:
            source: The CSV file; or a folder that holds `metadata.csv`; or one that holds `real/`
                and `fake/`, directly or inside `train/`, `val/` and `test/`.
            strict: Whether a broken line stops the reading instead of being left out and listed
                in `skipped`.

        Raises:
            BadManifestError: If there is no such source, nothing in it can be used, or, when
                strict, at the first broken line.
        """
        if source.is_file():
            records, skipped, root = *csv_reader.read(source, strict=strict), source.parent
        elif (source / FILE_NAME).is_file():
            records, skipped, root = *csv_reader.read(source / FILE_NAME, strict=strict), source
        elif source.is_dir():
            records, skipped, root = *folders.read(source, strict=strict), source
        else:
            raise BadManifestError(f"{source}: there is no such file or folder")
        if not records:
            first = f"; the first of {len(skipped)}: {skipped[0]}" if skipped else ""
            raise BadManifestError(f"{source}: no image can be used{first}")
        return cls(records, root=root, skipped=skipped)

    def save(self, path: Path) -> None:
        """Writes the manifest as CSV, file names relative to the folder of `path`.

        Raises:
            BadManifestError: If an image lies outside that folder or a value has a line break.
            BadOutputError: If the place cannot be written to.
        """
        extras = list(dict.fromkeys(key for record in self for key in record.extra))
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*COLUMNS, *extras])
        for record in self:
            row = [
                relative_name(record.path, path.parent),
                label_name(record.label),
                record.split,
                record.group,
                *(record.extra.get(key, "") for key in extras),
            ]
            if any("\n" in cell or "\r" in cell for cell in row):
                raise BadManifestError(f"{record.path}: a manifest holds no line breaks")
            writer.writerow(row)
        write_text(path, buffer.getvalue())

    def split(self, name: str) -> Manifest:
        """Returns the images of one split.

        Raises:
            BadManifestError: If there are none.
        """
        records = [record for record in self if record.split == name]
        if not records:
            known = ", ".join(counts.split for counts in self.describe())
            raise BadManifestError(
                f"{self.root}: no image is in the split {name!r}", hint=f"there are: {known}"
            )
        return Manifest(records, root=self.root)

    def with_splits(self, fractions: Mapping[str, float] = splits.FRACTIONS) -> Manifest:
        """Returns the same images in new splits, chosen by group; see `splits.split_of`."""
        records = [
            replace(record, split=splits.split_of(record.group, fractions)) for record in self
        ]
        return Manifest(records, root=self.root, skipped=self.skipped)

    def check_groups(self) -> None:
        """Makes sure that no group is in two splits, where a detector would know it by heart.

        Raises:
            BadManifestError: If one is.
        """
        home: dict[str, str] = {}
        torn = {r.group for r in self if home.setdefault(r.group, r.split) != r.split}
        if torn:
            raise BadManifestError(
                f"{self.root}: {len(torn)} groups are in more than one split, such as "
                f"{min(torn)!r}",
                hint="give each group one split, or leave out the split column",
            )

    def describe(self) -> list[SplitCounts]:
        """Counts real and fake images per split, in the order in which splits first appear."""
        counts = Counter((record.split, record.label) for record in self)
        names = dict.fromkeys(record.split for record in self)
        return [SplitCounts(name, counts[name, REAL], counts[name, FAKE]) for name in names]

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Manifest: ...
    def __getitem__(self, index: int | slice) -> Record | Manifest:
        if isinstance(index, slice):
            return Manifest(self._records[index], root=self.root)
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"Manifest({str(self.root)!r}, {len(self)} images, {len(self.skipped)} skipped)"
