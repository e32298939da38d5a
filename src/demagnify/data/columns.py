"""The columns in which a manifest is kept: a million records in the memory of their letters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.errors import BadManifestError
from demagnify.data.records import BOX, SOURCE_GROUP, Box, Record, relative_name

EXTRA: Final = "extra."
CHUNK: Final = 65_536

_FIELDS: Final = (
    ("file_name", pa.string()),
    ("label", pa.uint8()),
    ("split", pa.dictionary(pa.int32(), pa.string())),
    ("group", pa.string()),
    *((name, pa.float64()) for name in BOX),
    ("frame", pa.int64()),
)
_OPTIONAL: Final = (*BOX, "frame")


class RowCollector:
    """Turns rows into columns, a chunk at a time, so that few of them are Python objects.

    Args:
        root: The folder that the files lie in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._rows: list[tuple[object, ...]] = []
        self._extras: list[Mapping[str, str]] = []
        self._chunks: list[pa.Table] = []

    def add(self, record: Record) -> None:
        """Adds a record; nothing is checked."""
        self.add_row(
            stored_name(record.path, self.root),
            record.label,
            record.split,
            record.group,
            box=record.box,
            frame=record.frame,
            extra=record.extra,
        )

    def add_row(
        self,
        name: str,
        label: int,
        split: str,
        group: str,
        *,
        box: Box | None = None,
        frame: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Adds the record with the path `root / name`; faster than `add`."""
        self._rows.append((name, label, split, group, *(box or (None,) * len(BOX)), frame))
        self._extras.append(extra or {})
        if len(self._rows) == CHUNK:
            self._flush()

    def table(self) -> pa.Table:
        """Returns all rows as one table.

        Raises:
            BadManifestError: If a text cannot be written as UTF-8.
        """
        if self._rows or not self._chunks:
            self._flush()
        return join(self._chunks)

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(_FIELDS)
        keys = dict.fromkeys(key for extra in self._extras for key in extra)
        try:
            arrays = {
                name: pa.array(column, kind)
                for (name, kind), column in zip(_FIELDS, columns, strict=True)
            }
            for key in keys:
                arrays[EXTRA + key] = pa.array([e.get(key) for e in self._extras], pa.string())
        except UnicodeEncodeError as error:
            raise BadManifestError("a manifest holds no text that is not UTF-8") from error
        self._chunks.append(pa.table(arrays))
        self._rows, self._extras = [], []


def join(chunks: Sequence[pa.Table]) -> pa.Table:
    """Returns tables as one, without the optional columns that are empty in all of them."""
    table = pa.concat_tables([_with_codes(chunk) for chunk in chunks], promote_options="default")
    empty = [
        name
        for name in _OPTIONAL
        if name in table.column_names and table[name].null_count == len(table)
    ]
    return table.drop_columns(empty).unify_dictionaries().combine_chunks()


def _with_codes(table: pa.Table) -> pa.Table:
    plain = not pa.types.is_dictionary(table.schema.field("split").type)
    return with_split(table, table["split"]) if plain else table


def stored_name(path: Path, root: Path) -> str:
    """Returns what is kept of a path: its name below `root`, else the whole of it.

    `root / name` is the same place as `path`.
    """
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.absolute().as_posix()


def collect(records: Iterable[Record], root: Path) -> pa.Table:
    """Returns records as a table."""
    rows = RowCollector(root)
    for record in records:
        rows.add(record)
    return rows.table()


def records(table: pa.Table, root: Path) -> Iterator[Record]:
    """Yields the rows as records, made a few thousand at a time."""
    for batch in table.to_batches(max_chunksize=8192):
        yield from _records_of(batch, root)


def record(table: pa.Table, index: int, root: Path) -> Record:
    """Returns the row at `index`, from 0, as a record."""
    return next(_records_of(table.slice(index, 1), root))


def _records_of(rows: pa.Table | pa.RecordBatch, root: Path) -> Iterator[Record]:
    columns: dict[str, list[Any]] = {
        name: rows.column(name).to_pylist() for name in rows.schema.names
    }
    extras = [name for name in columns if name.startswith(EXTRA)]
    for index, name in enumerate(columns["file_name"]):
        yield Record(
            root / name,
            columns["label"][index],
            columns["split"][index],
            columns["group"][index],
            {
                key.removeprefix(EXTRA): columns[key][index]
                for key in extras
                if columns[key][index] is not None
            },
            _box(columns, index),
            columns["frame"][index] if "frame" in columns else None,
        )


def _box(columns: Mapping[str, Sequence[Any]], index: int) -> Box | None:
    if BOX[0] not in columns or columns[BOX[0]][index] is None:
        return None
    return Box(*(columns[name][index] for name in BOX))


def encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Returns a column of texts as one array of numbers and what they stand for."""
    whole = column.combine_chunks()
    return whole if pa.types.is_dictionary(whole.type) else pc.dictionary_encode(whole)


def input_keys(table: pa.Table) -> list[str]:
    """Returns the columns that identify an input of a network: file, box and frame."""
    return [name for name in ("file_name", *BOX, "frame") if name in table.column_names]


def first_places(numbers: pa.Array) -> list[int]:
    """Returns the distinct numbers in the order in which they first appear."""
    found: list[int] = pc.unique(numbers).to_pylist()
    return found


def with_split(table: pa.Table, split: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Returns the table with other splits, given as texts."""
    place = table.column_names.index("split")
    return table.set_column(place, "split", pc.dictionary_encode(split))


def with_source_groups(table: pa.Table) -> pa.Table:
    """Returns the table with the groups that its files have where no official split parts them."""
    name = EXTRA + SOURCE_GROUP
    if name not in table.column_names:
        return table
    place = table.column_names.index("group")
    given = pc.not_equal(pc.coalesce(table[name], ""), "")
    groups = pc.if_else(given, table[name], table["group"].cast(pa.string()))
    return table.set_column(place, "group", groups).drop_columns([name])


def names_below(table: pa.Table, root: Path, folder: Path) -> pa.ChunkedArray:
    """Returns the file names below `folder`, of a table whose names are below `root`.

    Raises:
        BadManifestError: If a file lies outside of `folder`.
    """
    names = table["file_name"]
    odd = pc.match_substring_regex(names, r"^/|(^|/)\.\.(/|$)")
    if os.path.normpath(root) == os.path.normpath(folder) and not pc.any(odd).as_py():
        return names
    found = [relative_name(root / name, folder) for name in names.to_pylist()]
    return pa.chunked_array([pa.array(found, pa.string())])
