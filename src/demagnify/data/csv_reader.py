"""Reads `metadata.csv` line by line, so that a broken line costs no more than itself."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from demagnify.data import splits
from demagnify.data.labels import parse_label
from demagnify.data.records import COLUMNS, Record, Skipped
from demagnify.errors import BadManifestError


def read(path: Path, *, strict: bool = False) -> tuple[list[Record], list[Skipped]]:
    """Reads the records of a CSV manifest, and what had to be left out.

    UTF-8 with or without a byte order mark; one record a line; backslashes in `file_name` count
    as slashes where no such file exists. See `demagnify.data.manifest` for the columns.

    Raises:
        BadManifestError: If the file or its header cannot be used or, when strict, at the first
            broken line.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise BadManifestError(f"{path}: cannot be read: {error.strerror or error}") from error
    columns = _header(path, lines[0])
    records: list[Record] = []
    skipped: list[Skipped] = []
    seen: set[Path] = set()
    for number, line in _filled(lines):
        where = f"{path.name}, line {number}"
        try:
            record = _record(path.parent, columns, _cells(line))
            if record.path in seen:
                raise BadManifestError(f"{record.path.name} is listed twice")
        except BadManifestError as error:
            if strict:
                raise BadManifestError(f"{where}: {error.message}", hint=error.hint) from error
            skipped.append(Skipped(where, error.message))
        else:
            seen.add(record.path)
            records.append(record)
    return records, skipped


def _filled(lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines[1:], start=2) if line.strip())


def _header(path: Path, line: bytes) -> list[str]:
    try:
        columns = [cell.strip().lower() for cell in _cells(line)]
    except BadManifestError as error:
        raise BadManifestError(f"{path}: the first line: {error.message}") from error
    if not {"file_name", "label"} <= set(columns):
        raise BadManifestError(
            f"{path}: the first line must name the columns file_name and label",
            hint="split and group are read as well; columns are separated by commas",
        )
    if len(set(columns)) < len(columns):
        raise BadManifestError(f"{path}: the first line names a column twice")
    return columns


def _cells(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode("utf-8").rstrip("\r")], strict=True), [])
    except UnicodeDecodeError as error:
        raise BadManifestError("is not UTF-8") from error
    except csv.Error as error:
        raise BadManifestError(f"is not CSV: {error}") from error


def _record(root: Path, columns: list[str], cells: list[str]) -> Record:
    if len(cells) != len(columns):
        raise BadManifestError(f"{len(cells)} values for {len(columns)} columns")
    values = dict(zip(columns, cells, strict=True))
    path = _locate(root, values["file_name"])
    group = values.get("group", values["file_name"]).strip()
    if not group:
        raise BadManifestError("the group is empty")
    return Record(
        path=path,
        label=parse_label(values["label"]),
        split=splits.parse_split(values.get("split", splits.WHOLE)),
        group=group,
        extra={key: value for key, value in values.items() if key not in COLUMNS},
    )


def _locate(root: Path, name: str) -> Path:
    """Returns the file called `name` below `root`, which it must not leave."""
    if not name:
        raise BadManifestError("the file name is empty")
    base = os.path.normpath(root)
    for candidate in dict.fromkeys((name, name.replace("\\", "/"))):
        path = Path(os.path.normpath(root / candidate))
        if not path.is_relative_to(base):
            raise BadManifestError(f"{name} lies outside the manifest's folder")
        if path.is_file():
            return path
    raise BadManifestError(f"{name}: there is no such file")
