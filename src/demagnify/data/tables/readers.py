"""Readers of CSV, JSON, Parquet and Arrow: each yields blocks of rows as plain texts.

JSON lines are one object a line, its keys the columns. In Parquet, whole numbers as labels mean
what the file's own Hugging Face schema says, and images may be inside. A broken line costs no
more than itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from demagnify.core.errors import BadManifestError, first_line
from demagnify.data.records import is_utf8
from demagnify.data.tables.blocks import FILE, LABEL, Block, decode, known, open_text
from demagnify.data.tables.class_names import Names, by_name, names_in
from demagnify.data.tables.columnar import ARROW, PARQUET, open_columns
from demagnify.data.tables.delimited import read_csv
from demagnify.data.tables.embedded_images import is_binary, unpack

ROWS: Final = 65_536
IMAGE_ROWS: Final = 64
"""Rows that are read at once where images are in them."""

JSON: Final = ".json"
_HEAD: Final = 4096
_LIST: Final = re.compile(rb"\s*\[\s*\{")
T = TypeVar("T")

Reader = Callable[[Path], Iterator[Block]]
Row = dict[str, str | None]


def read_jsonl(path: Path) -> Iterator[Block]:
    """Yields the rows of a JSON lines file."""
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        while block := list(islice(lines, ROWS)):
            yield _json_block(block, _row)


def read_json_list(path: Path) -> Iterator[Block]:
    """Yields the rows of a JSON file that is one list of objects, numbered from 1.

    Raises:
        BadManifestError: If it is not.
    """
    with open_text(path) as file:
        try:
            content = json.loads(file.read(), object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "it cannot be read")
            raise BadManifestError(f"{path}: is not JSON: {reason}") from error
    if not isinstance(content, list):
        raise BadManifestError(f"{path}: is no list of objects")
    items = enumerate(content, start=1)
    while part := list(islice(items, ROWS)):
        yield _json_block(part, _of_object)


def is_json_list(path: Path) -> bool:
    """Whether a file begins as a JSON list of objects."""
    try:
        with open_text(path) as file:
            return _LIST.match(file.read(_HEAD)) is not None
    except (BadManifestError, OSError):
        return False


def _json_block(items: list[tuple[int, T]], read: Callable[[T], Row]) -> Block:
    rows: dict[int, Row] = {}
    broken: dict[int, str] = {}
    for number, item in items:
        try:
            rows[number] = read(item)
        except BadManifestError as error:
            broken[number] = error.message
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return Block(
        np.fromiter(rows, dtype=np.int64, count=len(rows)),
        {
            called: pa.array([row.get(name) for row in rows.values()], pa.string())
            for name, called in zip(names, known(names), strict=True)
        },
        broken,
    )


def _row(line: bytes) -> Row:
    try:
        content = json.loads(decode(line), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise BadManifestError(f"is not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # numbers and nesting without end
        raise BadManifestError("is not JSON that can be read: a value is too large") from error
    return _of_object(content, escapes=b"\\u" in line)


def _of_object(content: object, *, escapes: bool = True) -> Row:
    if not isinstance(content, dict):
        raise BadManifestError("is not a JSON object")
    row = {
        _column(name): value if isinstance(value, str) else as_text(value)
        for name, value in content.items()
    }
    if len(row) < len(content):
        raise BadManifestError("names a key twice")
    if escapes and not is_utf8("".join(text for text in (*row, *row.values()) if text)):
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


def read_parquet(
    path: Path, *, images: str | None = None, folder: Path | None = None
) -> Iterator[Block]:
    """Yields the rows of a Parquet or Arrow file, numbered from 1.

    Args:
        path: The file.
        images: The column that holds images, which become the files of the rows.
        folder: Where images are unpacked.

    Raises:
        BadManifestError: If it is no such file, or damaged.
    """
    try:
        with open_columns(path) as file:
            schema = file.schema_arrow
            wanted = [one.name for one in schema if one.name == images or not is_binary(one.type)]
            start = 1
            rows = IMAGE_ROWS if images else ROWS
            for batch in file.iter_batches(batch_size=rows, columns=wanted):
                batch.validate(full=True)  # text that is no UTF-8
                names: pa.Array | None = None
                broken: dict[int, str] = {}
                if images and folder:
                    names, broken = unpack(batch.column(images), start, folder)
                    batch = batch.drop_columns([images])  # noqa: PLW2901
                yield _parquet_block(path, batch, start, schema, names, broken)
                start += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        kind = path.suffix.lower().removeprefix(".").capitalize()
        raise BadManifestError(
            f"{path}: is not {kind} that can be read: {first_line(error)}"
        ) from error


def _parquet_block(
    path: Path,
    batch: pa.RecordBatch,
    start: int,
    schema: pa.Schema,
    files: pa.Array | None,
    broken: dict[int, str],
) -> Block:
    called = known(batch.schema.names)
    columns = {name: _texts(column) for name, column in zip(called, batch.columns, strict=True)}
    if LABEL in columns:
        names = _label_names(schema, batch.schema.names[called.index(LABEL)])
        if names is not None:
            columns[LABEL] = by_name(columns[LABEL], names, source=path)
    if files is not None:
        columns[FILE] = files
    numbers = np.arange(start, start + batch.num_rows, dtype=np.int64)
    return Block(numbers, columns, broken)


def _texts(column: pa.Array) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        return pa.array([as_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(kind).cast(pa.string())


def _label_names(schema: pa.Schema, column: str) -> Names | None:
    """Returns what the labels 0, 1, ... are called, if the Hugging Face schema says so."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        return names_in(content["info"]["features"][column]["names"])
    except (KeyError, TypeError, ValueError):
        return None


READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        ".csv": read_csv,
        ".tsv": read_csv,
        ".jsonl": read_jsonl,
        ".ndjson": read_jsonl,
        PARQUET: read_parquet,
        ARROW: read_parquet,
    }
)
