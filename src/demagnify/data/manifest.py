"""A labelled set of face images: which files, real or fake, in which split and group.

On disk it is a folder with `metadata.csv`, the convention of Hugging Face image folders::

    file_name,label,split,group
    train/real/0001.png,real,train,0001
    train/fake/0001.png,fake,train,0001

`file_name` is relative to the CSV's folder. Further columns are kept as they are. Without a
`split` column everything is in the split "all"; without a `group` column each file is a group of
its own. The other formats that can be read are in `demagnify.data.formats`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from demagnify.core.errors import BadManifestError
from demagnify.core.printing import count, storable
from demagnify.data import columns, formats, splits, writer
from demagnify.data.records import BOX, VIDEO_SUFFIXES, Record, Skipped, SplitCounts

FILE_NAME: Final = "metadata.csv"
_VIDEO: Final = rf"(?i)({'|'.join(map(re.escape, sorted(VIDEO_SUFFIXES)))})$"


class Manifest(Sequence[Record]):
    """An ordered set of labelled images below one folder.

    It is stored in columns and makes its records on request, so that a million of them fit.

    Args:
        records: The images.
        root: The folder that all of them lie in.
        skipped: What was left out on reading.

    Attributes:
        table: The columns, as an Arrow table; see `demagnify.data.columns`.
        source: The file or folder that it was read from, for messages; `root` if none.

    Example:
        >>> from demagnify.data import Record
        >>> root = Path("faces")
        >>> manifest = Manifest([Record(root / "1.png", 1, "train", "video-7")], root=root)
        >>> manifest, manifest[0].group, manifest.labels.tolist()
        (Manifest('faces', 1 image, 0 skipped), 'video-7', [1])
    """

    def __init__(
        self, records: Iterable[Record], *, root: Path, skipped: Iterable[Skipped] = ()
    ) -> None:
        self.table = columns.collect(records, root)
        self.root = self.source = root
        self.skipped = tuple(skipped)

    @classmethod
    def from_table(
        cls,
        table: pa.Table,
        *,
        root: Path,
        skipped: Iterable[Skipped] = (),
        source: Path | None = None,
    ) -> Manifest:
        """Makes a manifest of columns; readers use `demagnify.data.manifest.ManifestBuilder`."""
        manifest = cls.__new__(cls)
        manifest.table = table
        manifest.root = root
        manifest.source = source or root
        manifest.skipped = tuple(skipped)
        return manifest

    def _with(self, table: pa.Table, skipped: Iterable[Skipped] = ()) -> Manifest:
        """Returns a manifest of other columns that was read from the same source."""
        return Manifest.from_table(table, root=self.root, skipped=skipped, source=self.source)

    @classmethod
    def load(
        cls,
        source: Path | str,
        *,
        format: str | formats.Format[Any] | None = None,  # noqa: A002
        strict: bool = False,
        **options: object,
    ) -> Manifest:
        """Reads a manifest in any format that `demagnify.data.formats` knows.

        Args:
            source: A file or folder, such as a CSV file, a folder that holds `metadata.csv`, or
                one that holds `real/` and `fake/`, directly or inside `train/`, `val/`, `test/`.
            format: The format, by name or as an object; recognised from `source` if None.
            strict: Whether a broken line stops the reading instead of being left out and listed
                in `skipped`.
            options: The settings of that format.

        Raises:
            BadManifestError: If there is no such source, nothing in it can be used, or, when
                strict, at the first broken line.
            UnknownNameError: If there is no such format.
            BadConfigError: If the format has no such setting.
        """
        source = Path(source)
        if not source.exists():
            raise BadManifestError(f"{source}: there is no such file or folder")
        if format is None:
            chosen = formats.recognise(source)
        else:
            chosen = formats.create(format) if isinstance(format, str) else format
        manifest = chosen.read(source, chosen.parse_options(options), strict=strict)
        packed = formats.packed_in(source) if source.is_dir() else []
        manifest.skipped += tuple(Skipped(repr(path.name)[1:-1], formats.PACKED) for path in packed)
        if not manifest:
            skipped = manifest.skipped
            first = f"; the first of {len(skipped)}: {skipped[0]}" if skipped else ""
            raise BadManifestError(f"{source}: no image can be used{first}")
        manifest.source = source
        return manifest

    @property
    def labels(self) -> NDArray[np.int64]:
        """The labels, int64 (N,), 0 real and 1 fake."""
        numbers: NDArray[np.int64] = self.table["label"].to_numpy().astype(np.int64)
        return numbers

    @property
    def groups(self) -> NDArray[np.str_]:
        """The groups, (N,)."""
        return np.array(self.table["group"].to_pylist(), dtype=np.str_)

    @property
    def names(self) -> list[str]:
        """The names of the files below the manifest's folder, with forward slashes.

        Raises:
            BadManifestError: If a file lies outside of that folder.
        """
        found: list[str] = columns.names_below(self.table, self.root, self.root).to_pylist()
        return found

    @property
    def prepared(self) -> bool:
        """Whether every file is a face crop; if not, `demagnify data prepare` makes crops."""
        return self.unprepared == 0

    @property
    def unprepared(self) -> int:
        """How many faces have yet to be cut out of photographs or videos."""
        return int((self._placed | self._videos).sum())

    @property
    def whole_videos(self) -> int:
        """How many videos name neither a frame nor a box: frames are spread evenly over them."""
        return int((self._videos & ~self._placed).sum())

    @property
    def _placed(self) -> NDArray[np.bool_]:
        placed = np.zeros(len(self), dtype=bool)
        for name in {BOX[0], "frame"} & set(self.table.column_names):
            placed |= np.asarray(pc.is_valid(self.table[name]))
        return placed

    @property
    def _videos(self) -> NDArray[np.bool_]:
        names = columns.encoded(self.table["file_name"])
        found = np.asarray(pc.match_substring_regex(names.dictionary, _VIDEO), dtype=bool)
        videos: NDArray[np.bool_] = found[np.asarray(names.indices)]
        return videos

    def check_prepared(self) -> None:
        """Makes sure that every file is a face crop.

        Raises:
            BadManifestError: If faces have yet to be cut out of photographs or videos.
        """
        if not self.prepared:
            raise BadManifestError(
                f"{self.source}: the faces have yet to be cut out of photographs or videos",
                hint="demagnify data prepare does that",
            )

    def save(self, path: Path) -> None:
        """Writes the manifest as .csv, .jsonl or .parquet, names relative to the folder of `path`.

        Raises:
            BadManifestError: If an image lies outside that folder, or the suffix is another.
            BadOutputError: If the place cannot be written to.
        """
        writer.write(self.table, self.root, path)

    def split(self, name: str) -> Manifest:
        """Returns the images of one split.

        Raises:
            BadManifestError: If there are none.
        """
        chosen = self.table.filter(pc.equal(self.table["split"], name))
        if not len(chosen):
            known = [counts.split for counts in self.describe()]
            way = (
                "; demagnify data prepare --new-splits makes some"
                if name in splits.FRACTIONS
                else ""
            )
            raise BadManifestError(
                f"{self.source}: no image is in the split {name!r}",
                hint=f"there are: {', '.join(known)}{way}",
            )
        return self._with(chosen)

    def with_splits(self, fractions: Mapping[str, float] = splits.FRACTIONS) -> Manifest:
        """Returns the same images in new splits, chosen by group; see `splits.split_of`.

        Files with a `source_group`, which official splits part from it, return to that group.
        """
        table = columns.with_source_groups(self.table)
        groups = columns.encoded(table["group"])
        homes = [splits.split_of(group, fractions) for group in groups.dictionary.to_pylist()]
        placed = pa.array(homes, pa.string()).take(groups.indices)
        return self._with(columns.with_split(table, placed), self.skipped)

    @property
    def ungrouped(self) -> bool:
        """Whether no group is known: every file is a group of its own."""
        return bool(pc.all(pc.equal(self.table["group"], self.table["file_name"])).as_py())

    def shared_groups(self) -> list[str]:
        """Returns the groups that are in more than one split, sorted."""
        pairs = self.table.select(["group", "split"]).group_by(["group", "split"]).aggregate([])
        counts = pairs.group_by("group").aggregate([("split", "count")])
        torn = counts.filter(pc.greater(counts["split_count"], 1))
        return sorted(torn["group"].to_pylist())

    def check_groups(self) -> None:
        """Makes sure that no group is in two splits, where a detector would know it by heart.

        Raises:
            BadManifestError: If one is.
        """
        torn = self.shared_groups()
        if torn:
            raise BadManifestError(
                f"{self.source}: {count(len(torn), 'group')} in more than one split, "
                f"such as {torn[0]!r}",
                hint="give each group one split, or leave out the split column",
            )

    def describe(self) -> list[SplitCounts]:
        """Counts real and fake images per split, in the order in which splits first appear."""
        found = columns.encoded(self.table["split"])
        cells = np.asarray(found.indices) * 2 + self.labels
        counts = np.bincount(cells, minlength=2 * len(found.dictionary)).reshape(-1, 2)
        names, order = found.dictionary.to_pylist(), columns.first_places(found.indices)
        return [SplitCounts(names[at], int(counts[at, 0]), int(counts[at, 1])) for at in order]

    def __iter__(self) -> Iterator[Record]:
        return columns.records(self.table, self.root)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice | NDArray[np.int64]) -> Manifest: ...
    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Record | Manifest:
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(len(self))
            part = self.table.slice(start, max(0, stop - start))  # without a copy
            return self._with(part)
        if isinstance(index, slice | np.ndarray):
            chosen = pa.array(np.arange(len(self))[index])
            return self._with(self.table.take(chosen))
        place = range(len(self))[index]  # negative numbers, and IndexError
        return columns.record(self.table, place, self.root)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        images = count(len(self), "image")
        return f"Manifest({str(self.root)!r}, {images}, {len(self.skipped)} skipped)"


class ManifestBuilder(columns.RowCollector):
    """Collects the rows of a manifest, and what a reader leaves out.

    Args:
        root: The folder that the files lie in.
        strict: Whether the first thing to be left out stops the reading.

    Example:
        >>> builder = ManifestBuilder(Path("faces"))
        >>> builder.add_row("real/1.png", 0, "train", "1")
        >>> builder.skip("real/2.png", "the file's name is not UTF-8")
        >>> builder.build()
        Manifest('faces', 1 image, 1 skipped)
    """

    def __init__(self, root: Path, *, strict: bool = False) -> None:
        super().__init__(root)
        self._strict = strict
        self._skipped: list[Skipped] = []

    def skip(self, where: str | Path, reason: str) -> None:
        """Notes what was left out: the file (a path below the root) or line, and what is wrong.

        Raises:
            BadManifestError: If the reading is strict.
        """
        if isinstance(where, Path):  # its name may be no UTF-8
            where = storable(where.relative_to(self.root).as_posix())
        if self._strict:
            raise BadManifestError(f"{where}: {reason}")
        self._skipped.append(Skipped(where, reason))

    def build(self) -> Manifest:
        """Returns the manifest."""
        return Manifest.from_table(self.table(), root=self.root, skipped=self._skipped)
