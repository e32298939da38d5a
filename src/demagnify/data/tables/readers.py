"""Readers of CSV, JSON lines and Parquet: each yields blocks of rows as plain texts.

CSV is UTF-8 with or without a byte order mark, one record a line, so a value holds no line break.
JSON lines are one object a line, its keys the columns. In Parquet, whole numbers as labels mean
what the file's own Hugging Face schema says. A broken line costs no more than itself: pyarrow
reads a block of CSV at once, and a block with anything odd in it is read again line by line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demagnify.core.errors import BadManifestError
from demagnify.data.records import is_utf8
from demagnify.data.tables.class_names import LABEL, Names, by_name, names_in

ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """Some thousand rows of a file.

    Attributes:
        numbers: The line or row of the file that each is, int64 (n,).
        columns: Texts by column, n each; null where a row does not say.
        broken: Why a line, by number, gave no row.
    """

    numbers: NDArray[np.int64]
    columns: dict[str, pa.Array]
    broken: dict[int, str] = field(default_factory=dict)


Reader = Callable[[Path], Iterator[Block]]


_BYTES: Final = 2**22
_TOLD: Final = 8


def read_csv(path: Path) -> Iterator[Block]:
    """Yields the rows of a CSV file; a broken line costs no more than itself.

    Raises:
        BadManifestError: If the file or its header cannot be used.
    """
    with path.open("rb") as file:
        header = _header(path, file.readline().removeprefix(b"\xef\xbb\xbf"))
        number = 2
        while text := file.read(_BYTES) + file.readline():
            yield _plain_rows(text, number, header) or _odd_rows(text, number, header)
            number += text.count(b"\n")


def _header(path: Path, line: bytes) -> list[str]:
    if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
        raise BadManifestError(
            f"{path}: lines end in a lone carriage return, as on old Macs",
            hint="save it with line feeds",
        )
    try:
        columns = [cell.strip().lower() for cell in _cells(line)]
    except BadManifestError as error:
        raise BadManifestError(f"{path}: the first line: {error.message}") from error
    if len(set(columns)) < len(columns):
        raise BadManifestError(f"{path}: the first line names a column twice")
    if "file_name" not in columns or not {"label", "is_fake"} & set(columns):
        told = ", ".join(repr(name) for name in columns[:_TOLD]) or "nothing"
        raise BadManifestError(
            f"{path}: the first line must name the columns file_name and label, not {told:.200}",
            hint="split and group are read as well; columns are separated by commas",
        )
    return columns


def _plain_rows(text: bytes, number: int, header: list[str]) -> Block | None:
    """Parses whole lines at once; None if one of them is broken, empty or has quotation marks."""
    from pyarrow import csv as arrow_csv

    count = text.count(b"\n") + (not text.endswith(b"\n"))
    empty = text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text
    if empty or b'"' in text:
        return None
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            arrow_csv.ReadOptions(column_names=header, use_threads=False, block_size=len(text)),
            arrow_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != count:  # a carriage return inside of a line
        return None
    columns = {name: table[name].combine_chunks() for name in header}
    return Block(np.arange(number, number + count, dtype=np.int64), columns)


def _odd_rows(text: bytes, number: int, header: list[str]) -> Block:
    """Parses line by line, and says what is wrong with each broken one."""
    rows: dict[int, list[str]] = {}
    broken: dict[int, str] = {}
    for place, line in enumerate(text.split(b"\n"), start=number):
        if not line.strip():
            continue
        try:
            cells = _cells(line)
        except BadManifestError as error:
            broken[place] = error.message
            continue
        if len(cells) == len(header):
            rows[place] = cells
        else:
            broken[place] = f"{len(cells)} values for {len(header)} columns"
    values = zip(*rows.values(), strict=True) if rows else [()] * len(header)
    columns = {
        name: pa.array(column, pa.string()) for name, column in zip(header, values, strict=True)
    }
    return Block(np.fromiter(rows, dtype=np.int64, count=len(rows)), columns, broken)


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r\n")], strict=True), [])
    except UnicodeDecodeError as error:
        raise BadManifestError("is not UTF-8") from error
    except csv.Error as error:
        raise BadManifestError(f"is not CSV: {error}") from error


Row = dict[str, str | None]


def read_jsonl(path: Path) -> Iterator[Block]:
    """Yields the rows of a JSON lines file."""
    with path.open("rb") as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        while block := list(islice(lines, ROWS)):
            yield _jsonl_block(block)


def _jsonl_block(lines: list[tuple[int, bytes]]) -> Block:
    rows: dict[int, Row] = {}
    broken: dict[int, str] = {}
    for number, line in lines:
        try:
            rows[number] = _row(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        except BadManifestError as error:
            broken[number] = error.message
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return Block(
        np.fromiter(rows, dtype=np.int64, count=len(rows)),
        {name: pa.array([row.get(name) for row in rows.values()], pa.string()) for name in names},
        broken,
    )


def _row(line: bytes) -> Row:
    try:
        content = json.loads(line.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BadManifestError("is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadManifestError(f"is not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # numbers and nesting without end
        raise BadManifestError("is not JSON that can be read: a value is too large") from error
    if not isinstance(content, dict):
        raise BadManifestError("is not a JSON object")
    row = {
        _column(name): value if isinstance(value, str) else as_text(value)
        for name, value in content.items()
    }
    if len(row) < len(content):
        raise BadManifestError("names a key twice")
    if b"\\u" in line and not is_utf8("".join(text for text in (*row, *row.values()) if text)):
        raise BadManifestError("holds half a character (a lone surrogate)")
    return row


@lru_cache(maxsize=1024)
def _column(key: str) -> str:
    """Returns the column that a key names; the same few keys stand in every line."""
    return key.strip().lower()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object of JSON, whose keys stand once each."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise BadManifestError("names a key twice")
    return content


def as_text(value: object) -> str | None:
    """Returns a value of JSON as it would stand in a CSV file; None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def read_parquet(path: Path) -> Iterator[Block]:
    """Yields the rows of a Parquet file, numbered from 1.

    Raises:
        BadManifestError: If it is no Parquet file, or damaged.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = _label_names(file.schema_arrow)
            start = 1
            for batch in file.iter_batches(batch_size=ROWS):
                batch.validate(full=True)  # text that is no UTF-8
                yield _parquet_block(path, batch, start, names)
                start += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadManifestError(f"{path}: is not Parquet that can be read: {reason}") from error


def _parquet_block(path: Path, batch: pa.RecordBatch, start: int, names: Names | None) -> Block:
    columns = {
        name.strip().lower(): _texts(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not _is_binary(column.type)
    }
    if names is not None and LABEL in columns:
        columns[LABEL] = by_name(columns[LABEL], names, source=path)
    return Block(np.arange(start, start + batch.num_rows, dtype=np.int64), columns)


def _is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, such as images; those are no part of a manifest."""
    if pa.types.is_struct(kind):
        return any(_is_binary(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _texts(column: pa.Array) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        return pa.array([as_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(kind).cast(pa.string())


def _label_names(schema: pa.Schema) -> Names | None:
    """Returns what the labels 0, 1, ... are called, if the Hugging Face schema says so."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        names = content["info"]["features"][LABEL]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names_in(names) if LABEL in schema.names else None


READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        ".csv": read_csv,
        ".jsonl": read_jsonl,
        ".ndjson": read_jsonl,
        ".parquet": read_parquet,
    }
)
