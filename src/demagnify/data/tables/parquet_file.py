"""Reads Parquet; whole numbers as labels mean what the file's own Hugging Face schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from demagnify.core.errors import BadManifestError
from demagnify.data.tables.block import ROWS, Block
from demagnify.data.tables.class_names import LABEL, Names, by_name, names_in
from demagnify.data.tables.jsonl_file import as_text


def read(path: Path) -> Iterator[Block]:
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
                yield _block(path, batch, start, names)
                start += batch.num_rows
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadManifestError(f"{path}: is not Parquet that can be read: {reason}") from error


def _block(path: Path, batch: pa.RecordBatch, start: int, names: Names | None) -> Block:
    columns = {
        name.strip().lower(): _texts(column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if not _is_binary(column.type)
    }
    if names is not None and LABEL in columns:
        columns[LABEL] = by_name(columns[LABEL], names, told_by=path)
    return Block(np.arange(start, start + batch.num_rows, dtype=np.int64), columns)


def _is_binary(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, such as pictures; those are no part of a manifest."""
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
