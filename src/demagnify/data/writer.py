"""Writes a manifest as CSV, JSON lines or Parquet, by the suffix of the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.errors import BadManifestError
from demagnify.core.files import atomic_path
from demagnify.data.columns import CHUNK, EXTRA, names_below
from demagnify.data.labels import NAMES


def write(table: pa.Table, root: Path, path: Path) -> None:
    """Writes the columns of a manifest, file names relative to the folder of `path`.

    Raises:
        BadManifestError: If an image lies outside that folder, the suffix is none of .csv,
            .jsonl and .parquet.
        BadOutputError: If the place cannot be written to.
    """
    if path.suffix.lower() not in _WRITERS:
        raise BadManifestError(
            f"{path}: a manifest is not written as {path.suffix or 'a file without suffix'}",
            hint=f"use one of {', '.join(_WRITERS)}",
        )
    named = _for_readers(table, root, path)
    with atomic_path(path) as temporary:
        _WRITERS[path.suffix.lower()](named, temporary)


def _for_readers(table: pa.Table, root: Path, path: Path) -> pa.Table:
    """Returns the columns as they stand in a file: under plain names, with labels as words."""
    words = pa.array(NAMES, pa.string()).take(table["label"].cast(pa.int32()).combine_chunks())
    table = table.set_column(1, "label", words)
    table = table.set_column(0, "file_name", names_below(table, root, path.parent))
    header = [name.removeprefix(EXTRA) for name in table.column_names]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise BadManifestError(f"{path}: two columns would be called {twice}")
    return table.rename_columns(header)


def write_rows(file: IO[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes rows as CSV that any reader takes: lone carriage returns are quoted, too."""
    plain, quoted = (
        csv.writer(file, lineterminator="\n", quoting=way)
        for way in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    for row in rows:
        (quoted if any("\r" in cell for cell in row if isinstance(cell, str)) else plain).writerow(
            row
        )


def _write_csv(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, [table.column_names])
        for columns in _blocks(table):
            write_rows(file, zip(*map(_texts, columns), strict=True))


def _texts(column: pa.Array) -> list[str]:
    if pa.types.is_floating(column.type):
        return ["" if value is None else _number(value) for value in column.to_pylist()]
    return pc.fill_null(column.cast(pa.string()), "").to_pylist()  # type: ignore[no-any-return]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _write_jsonl(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for columns in _blocks(table):
            _write_objects(file, table.column_names, columns)


def _write_objects(file: IO[str], names: list[str], columns: list[pa.Array]) -> None:
    for values in zip(*(column.to_pylist() for column in columns), strict=True):
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path)


def _blocks(table: pa.Table) -> Iterator[list[pa.Array]]:
    for batch in table.to_batches(max_chunksize=CHUNK):
        yield list(batch.columns)


_Writer = Callable[[pa.Table, Path], Any]
_WRITERS: Final = MappingProxyType[str, _Writer](
    {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
)
