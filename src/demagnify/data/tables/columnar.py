"""Parquet and Arrow files, opened in one way: `datasets.save_to_disk` writes the latter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

PARQUET: Final = ".parquet"
ARROW: Final = ".arrow"
COLUMNAR: Final = (PARQUET, ARROW)
_FILE: Final = b"ARROW1"


class ArrowFile:
    """A stream or file of Arrow, read by the methods of pyarrow's `ParquetFile`."""

    def __init__(self, source: pa.NativeFile, *, stream: bool) -> None:
        self._batches: Iterator[pa.RecordBatch]
        if stream:
            reader = pa.ipc.open_stream(source)
            self._batches = iter(reader)
        else:
            reader = pa.ipc.open_file(source)
            self._batches = map(reader.get_batch, range(reader.num_record_batches))
        self.schema_arrow: pa.Schema = reader.schema

    def iter_batches(
        self, batch_size: int = 65_536, *, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yields rows of some columns, at most `batch_size` at a time."""
        names = self.schema_arrow.names if columns is None else list(columns)
        for batch in self._batches:
            chosen = batch.select(names)
            for start in range(0, batch.num_rows, batch_size):
                yield chosen.slice(start, batch_size)


Columns: TypeAlias = pq.ParquetFile | ArrowFile


@contextmanager
def open_columns(path: Path) -> Iterator[Columns]:
    """Opens a Parquet or Arrow file.

    Raises:
        pa.ArrowException: If it is none, or damaged.
        OSError: If it cannot be read.
    """
    if path.suffix.lower() != ARROW:
        with pq.ParquetFile(path) as file:
            yield file
        return
    with path.open("rb") as head:
        stream = head.read(len(_FILE)) != _FILE
    with pa.OSFile(str(path)) as source:
        yield ArrowFile(source, stream=stream)
