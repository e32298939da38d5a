"""Reads CSV line by line, so that a broken line costs no more than itself.

UTF-8 with or without a byte order mark; one record a line, so a value holds no line break.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from demagnify.core.errors import BadManifestError
from demagnify.data.tables.block import Block

_BYTES: Final = 2**22
_TOLD: Final = 8


def read(path: Path) -> Iterator[Block]:
    """Yields the rows of a CSV file.

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
