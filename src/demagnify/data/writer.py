"""Writes a manifest as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from demagnify.data.columns import CHUNK, EXTRA, names_below
from demagnify.data.labels import label_name
from demagnify.errors import BadManifestError
from demagnify.files import atomic_path


def write(table: pa.Table, root: Path, path: Path) -> None:
    """Writes the columns of a manifest, file names relative to the folder of `path`.

    Raises:
        BadManifestError: If an image lies outside that folder or a value has a line break.
        BadOutputError: If the place cannot be written to.
    """
    named = table.set_column(0, "file_name", names_below(table, root, path.parent))
    header = [name.removeprefix(EXTRA) for name in named.column_names]
    if len(set(header)) < len(header):
        raise BadManifestError(f"{path}: two columns would have the same name")
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(header)
        for row in _rows(named):
            if any("\n" in cell or "\r" in cell for cell in row):
                raise BadManifestError(f"{row[0]!r}: a manifest holds no line breaks")
            lines.writerow(row)


def _rows(table: pa.Table) -> Iterator[tuple[str, ...]]:
    for batch in table.to_batches(max_chunksize=CHUNK):
        columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        columns["label"] = [label_name(label) for label in columns["label"]]
        yield from zip(*([_text(value) for value in c] for c in columns.values()), strict=True)


def _text(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)
