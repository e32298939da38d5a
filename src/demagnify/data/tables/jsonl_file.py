"""Reads JSON lines: one object a line, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from demagnify.core.errors import BadManifestError
from demagnify.data.records import is_utf8
from demagnify.data.tables.block import ROWS, Block

Row = dict[str, str | None]


def read(path: Path) -> Iterator[Block]:
    """Yields the rows of a JSON lines file."""
    with path.open("rb") as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        while block := list(islice(lines, ROWS)):
            yield _block(block)


def _block(lines: list[tuple[int, bytes]]) -> Block:
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
