"""CSV: columns separated by commas, semicolons, tabs or bars, as the first line says.

A broken line costs no more than itself: pyarrow reads a block of lines at once, and a block with
anything odd in it is read again record by record. A value in quotation marks may hold line breaks;
where a mark is not closed, or closes at a wrong place, only its line is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import pyarrow as pa

from demagnify.core.errors import BadManifestError
from demagnify.data.tables.blocks import Block, decode, is_complete, known, open_text

DELIMITERS: Final = (",", ";", "\t", "|")
_BYTES: Final = 2**22
_HEADER: Final = 2**22
_TOLD: Final = 8
_LONGEST_RECORD: Final = 1000
"""Lines of a record, at most: a mark that is not closed must not swallow the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: the columns, under the names that are known here, and what separates them."""

    columns: tuple[str, ...]
    delimiter: str = ","


def read_csv(path: Path) -> Iterator[Block]:
    """Yields the rows of a CSV file; a broken line costs no more than itself.

    Raises:
        BadManifestError: If the file or its header cannot be used.
    """
    with open_text(path) as file:
        header, number = _read_header(path, file)
        if not is_complete(header.columns):
            told = ", ".join(repr(name) for name in header.columns[:_TOLD]) or "nothing"
            raise BadManifestError(
                f"{path}: the first line must name the columns file_name and label, not "
                f"{told:.200}",
                hint="split and group are read as well; commas, semicolons, tabs or bars separate "
                "columns",
            )
        rest = b""
        while text := rest + (more := file.read(_BYTES) + file.readline()):
            block, rest = _plain_rows(text, number, header), b""
            if block is None:
                block, rest = _odd_rows(text, number, header, ended=not more)
            yield block
            number += text.count(b"\n") - rest.count(b"\n")


def read_columns(path: Path) -> tuple[str, ...]:
    """Returns the columns of a CSV file, under the names that are known here.

    Raises:
        BadManifestError: If the first line is none of a CSV file.
        OSError: If the file cannot be read.
    """
    with open_text(path) as file:
        return _read_header(path, file)[0].columns


def _read_header(path: Path, file: IO[bytes]) -> tuple[Header, int]:
    """Returns the header, and the number of the line after it."""
    line = file.readline(_HEADER)
    named = line.strip().lower()
    if named.startswith(b"sep=") and len(named) == 5:  # as Excel says what separates columns
        return _header(path, file.readline(_HEADER), (named[4:].decode("latin-1"),)), 3
    return _header(path, line, DELIMITERS), 2


def _header(path: Path, line: bytes, delimiters: tuple[str, ...]) -> Header:
    if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
        raise BadManifestError(
            f"{path}: lines end in a lone carriage return, as on old Macs",
            hint="save it with line feeds",
        )
    headers: list[Header] = []
    for delimiter in delimiters:  # quotation marks fit one of them
        try:
            headers.append(Header(known(_cells(line, delimiter)), delimiter))
        except BadManifestError as error:
            reason = error
    if not headers:
        raise BadManifestError(f"{path}: the first line: {reason.message}") from reason
    chosen = next((one for one in headers if is_complete(one.columns)), headers[0])
    named = [name for name in chosen.columns if name]
    if len(set(named)) < len(named):
        raise BadManifestError(f"{path}: the first line names a column twice")
    return chosen


def _plain_rows(text: bytes, number: int, header: Header) -> Block | None:
    """Parses whole lines at once; None if one of them is broken, empty or has quotation marks."""
    from pyarrow import csv as arrow_csv

    count = text.count(b"\n") + (not text.endswith(b"\n"))
    empty = text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text
    if empty or b'"' in text:
        return None
    places = [str(place) for place in range(len(header.columns))]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(text),
            arrow_csv.ReadOptions(column_names=places, use_threads=False, block_size=len(text)),
            arrow_csv.ParseOptions(
                delimiter=header.delimiter, quote_char=False, ignore_empty_lines=False
            ),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(places, pa.string())),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != count:  # a carriage return inside of a line
        return None
    columns = {
        name: table[place].combine_chunks()
        for name, place in zip(header.columns, places, strict=True)
        if name
    }
    return Block(np.arange(number, number + count, dtype=np.int64), columns)


def _odd_rows(
    text: bytes, number: int, header: Header, *, ended: bool = True
) -> tuple[Block, bytes]:
    """Parses record by record, and says what is wrong with each broken one.

    Returns:
        The rows, and the lines at the end that begin a record which more text may complete.
    """
    rows: dict[int, list[str]] = {}
    broken: dict[int, str] = {}
    lines = text.split(b"\n")
    open_marks = [line.count(b'"') % 2 == 1 for line in lines]
    place, rest = 0, b""
    while place < len(lines):
        count = _length(open_marks, place)
        if not count and not ended and len(lines) - place <= _LONGEST_RECORD:
            rest = b"\n".join(lines[place:])
            break
        cells = _record(lines, place, count or 1, header)
        if count > 1 and isinstance(cells, str):  # a mark of one line has met that of another
            count, cells = 1, _record(lines, place, 1, header)
        if isinstance(cells, str):
            broken[number + place] = cells
        elif cells:
            rows[number + place] = cells
        place += count or 1
    values = zip(*rows.values(), strict=True) if rows else [()] * len(header.columns)
    columns = {
        name: pa.array(column, pa.string())
        for name, column in zip(header.columns, values, strict=True)
        if name
    }
    return Block(np.fromiter(rows, dtype=np.int64, count=len(rows)), columns, broken), rest


def _length(open_marks: list[bool], place: int) -> int:
    """Returns of how many lines a record is; 0 if its quotation mark is not closed."""
    if not open_marks[place]:
        return 1
    try:
        return open_marks.index(True, place + 1, place + _LONGEST_RECORD) - place + 1
    except ValueError:
        return 0


def _record(lines: list[bytes], place: int, count: int, header: Header) -> list[str] | str:
    """Returns the values of a record, none of an empty line, or what is wrong with it."""
    text = b"\n".join(lines[place : place + count])
    if not text.strip(b" \r\n"):
        return []
    try:
        cells = _cells(text, header.delimiter)
    except BadManifestError as error:
        return error.message
    if len(cells) != len(header.columns):
        return f"{len(cells)} values for {len(header.columns)} columns"
    return cells


def _cells(text: bytes, delimiter: str) -> list[str]:
    try:
        lines = [decode(text).rstrip("\r\n")]
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise BadManifestError(f"is not CSV: {error}") from error
