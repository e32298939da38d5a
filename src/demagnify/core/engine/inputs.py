"""Inputs of a run: listed once into a file, from which each unit reads its own part."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np

from demagnify.core import image_files
from demagnify.core.errors import (
    BadConfigError,
    BadImageError,
    BadManifestError,
    BadOutputError,
    first_line,
)
from demagnify.core.files import atomic_path, private_folder, write_bytes

MANIFESTS: Final = frozenset({".txt", ".csv", ".jsonl", ".ndjson", ".parquet"})
"""Files that name inputs: a line each, or a column."""
COLUMNS: Final = ("uri", "file_name", "path", "file")
"""The first of these that a table has names its inputs."""
_LIST: Final = "inputs.jsonl"
_OFFSETS: Final = "inputs.npy"
_URI: Final = re.compile(r"[a-z][a-z0-9+.\-]*://", re.IGNORECASE)

OnSkip = Callable[[str, str], None]
Takes = Callable[[str], bool]


class Item(NamedTuple):
    """One input.

    Attributes:
        number: Its place in the list, from 0.
        uri: A path or URI.
    """

    number: int
    uri: str


def is_uri(text: str) -> bool:
    """Returns whether a text is a URI and no path.

    Example:
        >>> is_uri("s3://bucket/a.jpg"), is_uri("a.jpg")
        (True, False)
    """
    return _URI.match(text) is not None


def list_inputs(sources: Iterable[str], takes: Takes, on_skip: OnSkip) -> Iterator[str]:
    """Yields the inputs that paths and URIs stand for, in an order that is always the same.

    A folder stands for the images and other wanted files in it, at any depth; a text file (a line
    each) or a table (CSV, JSON lines, Parquet; column uri, file_name, path or file) for what it
    names, relative to its own folder; every other file for itself.

    Args:
        sources: Paths and URIs; fsspec reads the latter.
        takes: Tells by its name whether a file is wanted that is no image.
        on_skip: Gets each file and folder that is left out, and why.

    Raises:
        BadImageError: If a folder is missing or holds no input.
        BadManifestError: If a manifest cannot be read, or has no column of names.
    """
    for source in sources:
        if Path(source.rpartition("/")[2]).suffix.lower() in MANIFESTS:
            yield from _named(source)
        elif is_uri(source) or Path(source).is_dir():
            found = None
            for found in _inside(source, takes, on_skip):
                yield found
            if found is None:
                raise BadImageError(f"{source}: the folder holds no photograph or clip")
        else:
            yield source


def _inside(source: str, takes: Takes, on_skip: OnSkip) -> Iterator[str]:
    if not is_uri(source):
        wanted: list[str] = []

        def on_other(path: Path, why: str) -> None:
            if path.is_file() and takes(str(path)):
                wanted.append(str(path))
            else:
                on_skip(str(path), why)

        yield from map(str, image_files.iter_files(Path(source), on_skip=on_other))
        yield from sorted(wanted)
        return
    system, path = _filesystem(source)
    try:
        names = sorted(system.find(path)) if system.isdir(path) else [path]
    except Exception as error:  # whatever a file system raises
        raise BadImageError(f"{source}: cannot be listed: {first_line(error)}") from error
    for name in names:
        suffix = PurePosixPath(name).suffix.lower()
        if name == path or suffix in image_files.SUFFIXES or takes(name):
            yield str(system.unstrip_protocol(name))
        elif not image_files.is_companion(PurePosixPath(name)):
            on_skip(system.unstrip_protocol(name), f"not an image ({suffix or 'no suffix'})")


def _named(source: str) -> Iterator[str]:
    folder = source.rpartition("/")[0]
    for number, name in enumerate(_names(source), start=1):
        if not isinstance(name, str) or not name.strip():
            raise BadManifestError(f"{source}, row {number}: the name of the input is empty")
        apart = is_uri(name) or name.startswith("/") or not folder
        yield name if apart else f"{folder}/{name}"


def _names(source: str) -> Iterator[Any]:
    suffix = PurePosixPath(source).suffix.lower()
    try:
        with _opened(source) as file:
            if suffix == ".parquet":
                from pyarrow import parquet

                table = parquet.ParquetFile(file)
                column = _column(table.schema_arrow.names, source)
                for batch in table.iter_batches(columns=[column]):
                    yield from batch.column(0).to_pylist()
                return
            lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            if suffix == ".txt":
                yield from (line.strip() for line in lines if line.strip())
            elif suffix == ".csv":
                rows = csv.DictReader(lines)
                column = _column(rows.fieldnames or (), source)
                yield from (row[column] for row in rows)
            else:
                for line in filter(str.strip, lines):
                    row = json.loads(line)
                    yield row if isinstance(row, str) else row[_column(row, source)]
    except (BadConfigError, BadManifestError):
        raise
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise BadManifestError(f"{source}: cannot be read: {first_line(error)}") from error


def _column(names: Iterable[str], source: str) -> str:
    names = list(names)
    for column in COLUMNS:
        if column in names:
            return column
    raise BadManifestError(f"{source}: no column is called {', '.join(COLUMNS[:-1])} or file")


@contextmanager
def _opened(uri: str) -> Iterator[Any]:
    if not is_uri(uri):
        with Path(uri).open("rb") as file:
            yield file
        return
    system, path = _filesystem(uri)
    with system.open(path, "rb") as file:
        yield file


def _filesystem(uri: str) -> tuple[Any, str]:
    """Returns fsspec's file system of a URI, and the path in it."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise BadConfigError(
            f"{uri}: URIs need fsspec, which is not installed", hint="pip install fsspec"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise BadConfigError(f"{uri}: fsspec cannot read it: {first_line(error)}") from error
    return system, str(path)


@contextmanager
def fetched(items: Sequence[Item]) -> Iterator[list[Path | BadImageError]]:
    """Yields a local file for each input: itself, or a copy of a URI that is deleted afterwards.

    Args:
        items: The inputs.

    Returns:
        A path for each, or why there is none.
    """
    with private_folder() as folder:
        yield [_fetch(item, folder) for item in items]


def _fetch(item: Item, folder: Path) -> Path | BadImageError:
    if not is_uri(item.uri):
        folders = os.path.isdir(item.uri)  # noqa: PTH112  Path.is_dir raises where names are odd
        return BadImageError(f"{item.uri}: is a folder") if folders else Path(item.uri)
    path = folder / f"{item.number}{PurePosixPath(item.uri).suffix}"
    try:
        system, name = _filesystem(item.uri)
        if system.size(name) > image_files.MAX_BYTES and path.suffix in image_files.SUFFIXES:
            return BadImageError(f"{item.uri}: the file has too many bytes for an image")
        system.get_file(name, str(path))
    except FileNotFoundError:
        return BadImageError(f"{item.uri}: there is no such file")
    except BadConfigError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a store raises; the input is listed
        return BadImageError(f"{item.uri}: cannot be read: {first_line(error)}")
    return path


class InputList:
    """The list of inputs in a run's folder.

    Args:
        folder: The folder.
        unit: Inputs per unit.
    """

    def __init__(self, folder: Path, unit: int) -> None:
        self._path, self._unit = folder / _LIST, unit
        self._offsets = np.load(folder / _OFFSETS, mmap_mode="r")
        self.count = int(self._offsets[-1])

    @classmethod
    def keep(cls, folder: Path, uris: Iterable[str], unit: int) -> InputList:
        """Writes the list, or compares it to the one that is there.

        Raises:
            BadOutputError: If the inputs are other ones than when the run began.
        """
        known = (folder / _OFFSETS).exists()
        digest, offsets, place, count = hashlib.sha256(), [0], 0, 0

        def lines() -> Iterator[bytes]:
            nonlocal place, count
            for uri in uris:
                if count and count % unit == 0:
                    offsets.append(place)
                line = _line(uri)
                digest.update(line)
                place, count = place + len(line), count + 1
                yield line

        if known:
            for _ in lines():
                pass
            with (folder / _LIST).open("rb") as file:
                if hashlib.file_digest(file, "sha256").digest() != digest.digest():
                    raise BadOutputError(
                        f"{folder}: the inputs have changed since this run began",
                        hint="choose another output folder, or delete this one to start again",
                    )
        else:
            with atomic_path(folder / _LIST) as temporary, temporary.open("wb") as listed:
                listed.writelines(lines())
        content = io.BytesIO()
        np.save(content, np.array([*offsets, count], dtype=np.int64))
        if not known or (folder / _OFFSETS).read_bytes() != content.getvalue():
            write_bytes(folder / _OFFSETS, content.getvalue())
        return cls(folder, unit)

    @property
    def units(self) -> int:
        """How many units there are."""
        return -(-self.count // self._unit)

    def span(self, unit: int) -> range:
        """Returns the numbers of a unit's inputs."""
        return range(unit * self._unit, min((unit + 1) * self._unit, self.count))

    def read(self, unit: int) -> list[Item]:
        """Returns the inputs of a unit."""
        with self._path.open("rb") as file:
            file.seek(int(self._offsets[unit]))
            return [Item(number, json.loads(file.readline())) for number in self.span(unit)]


def _line(uri: str) -> bytes:
    return json.dumps(uri, ensure_ascii=True).encode() + b"\n"


def absolute(source: str) -> str:
    """Returns a path as every process of this machine and its file system understands it."""
    return source if is_uri(source) else os.path.abspath(source)  # noqa: PTH100  as it is written
