"""Arrays on the disk that grow by rows, so that a killed run goes on."""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core.documents import read_json
from demagnify.core.files import sweep_dead, write_text, writing_to
from demagnify.core.runs import Json, checksum

Array = NDArray[Any]

NOTE_EVERY: Final = 512
"""Rows between two notes of an array's progress, and rows per checksum."""


@dataclass
class _Note:
    """The progress of an array, beside it as JSON."""

    rows: int = 0
    done: bool = False
    extra: Json = None
    checksums: list[int] = field(default_factory=list)


class ArrayFile:
    """A `.npy` file that grows by rows, so that a killed run goes on.

    A note beside it (`.json`) holds the number of finished rows and a CRC-32 per 512 rows.
    `rows()` verifies them; rows that do not match are cut off and made again.

    Args:
        path: The file; it ends in `.npy`.
        shape: Shape of one row.
        dtype: Data type of its numbers.
        about: What the rows are; kept in the note for people.
        batch: Rows that are made together: a killed run goes on at a whole batch.

    Attributes:
        damaged: Whether rows that the note names did not match, and are gone.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "squares.npy"
        >>> with ArrayFile(path, (1,), np.int64).writing() as array:
        ...     array.append(np.array([[0], [1], [4]]))
        ...     array.finish()
        >>> ArrayFile(path, (1,), np.int64).rows().ravel().tolist()
        [0, 1, 4]
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.typing.DTypeLike,
        *,
        about: Mapping[str, Json] | None = None,
        batch: int = 1,
    ) -> None:
        self.path = path
        self._shape = shape
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._about = dict(about or {})
        self._batch = batch
        self._row_bytes = math.prod(shape) * self._dtype.itemsize
        self.damaged = False
        sweep_dead(path.parent)
        self._note = self._verified()

    @property
    def count(self) -> int:
        """The number of rows that are there and match their checksums."""
        return self._note.rows

    @property
    def done(self) -> bool:
        """Whether the array is complete."""
        return self._note.done

    @property
    def extra(self) -> Json:
        """What `finish` or `note` kept beside the rows."""
        return self._note.extra

    @contextmanager
    def writing(self) -> Iterator[ArrayWriter]:
        """Yields a writer that appends rows after those that are there.

        Raises:
            BadOutputError: If the disk is full, or the file cannot be written.
        """
        hint = "run again with more room on the disk; finished rows are kept"
        with writing_to(self.path, hint=hint):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                kept = self._note.rows - self._note.rows % self._batch
                if kept != self._note.rows:
                    self._note = self._recomputed(file, kept)
                file.truncate(_HEADER + kept * self._row_bytes)
                writer = ArrayWriter(self, file, self._note)
                try:
                    yield writer
                finally:
                    writer.note()
        self._note = writer.state

    def rows(self, *, in_memory: bool = True) -> Array:
        """Returns the finished rows, (n, ...): in memory, or as a memory map."""
        if not self._note.rows:  # an empty file cannot be mapped
            return np.empty((0, *self._shape), dtype=self._dtype)
        mapped: Array = np.memmap(
            self.path,
            dtype=self._dtype,
            mode="r",
            offset=_HEADER,
            shape=(self._note.rows, *self._shape),
        )
        return np.array(mapped) if in_memory else mapped

    def _verified(self) -> _Note:
        """Returns the note, its rows cut at the first checksum that does not match."""
        note = self._read_note()
        if not note.rows:
            return _Note(done=note.done, extra=note.extra)
        with self.path.open("rb") as file:
            good = _Note(extra=note.extra)
            for expected, rows in zip(note.checksums, self._parts(note.rows), strict=False):
                file.seek(_HEADER + good.rows * self._row_bytes)
                part = file.read(rows * self._row_bytes)
                if len(part) < rows * self._row_bytes or zlib.crc32(part) != expected:
                    break
                good.rows += rows
                good.checksums.append(expected)
        self.damaged = good.rows < note.rows
        good.done = note.done and not self.damaged
        return good

    def _read_note(self) -> _Note:
        path = self.path.with_suffix(".json")
        try:
            content = read_json(path)
            size = self.path.stat().st_size
            if "checksum" not in content:
                return (
                    _Note()
                )  # of an older version: nothing is damaged, but nothing can be checked
            if content.pop("checksum") != _note_checksum(content):
                raise ValueError
            note = _Note(**{key: content[key] for key in ("rows", "done", "extra", "checksums")})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.damaged = path.exists()
            return _Note()  # the rows are made again
        if content.get("row") != self._describe() or size < _HEADER:
            self.damaged = True
            return _Note()
        return note

    def _recomputed(self, file: BinaryIO, rows: int) -> _Note:
        """Returns the note of the first `rows` rows."""
        note = _Note(rows=rows, extra=self._note.extra)
        start = 0
        for part in self._parts(rows):
            file.seek(_HEADER + start * self._row_bytes)
            note.checksums.append(zlib.crc32(file.read(part * self._row_bytes)))
            start += part
        return note

    @staticmethod
    def _parts(rows: int) -> Iterator[int]:
        whole, rest = divmod(rows, NOTE_EVERY)
        yield from [NOTE_EVERY] * whole + ([rest] if rest else [])

    def _describe(self) -> Json:
        return [list(self._shape), self._dtype.str]

    def write_note(self, note: _Note) -> None:
        """Writes the note beside the file, in one step."""
        content = {
            **self._about,
            "row": self._describe(),
            "rows": note.rows,
            "done": note.done,
            "extra": note.extra,
            "checksums": note.checksums,
        }
        content["checksum"] = _note_checksum(content)
        write_text(self.path.with_suffix(".json"), json.dumps(content) + "\n")

    def header(self, rows: int) -> bytes:
        """Returns the `.npy` header of so many rows, always of the same length."""
        descr = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, *self._shape)}
        text = repr(descr).encode("latin1")
        length = _HEADER - len(_MAGIC) - 2
        return _MAGIC + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"


class ArrayWriter:
    """Appends rows to an `ArrayFile`; see there."""

    def __init__(self, array: ArrayFile, file: BinaryIO, note: _Note) -> None:
        self._array, self._file = array, file
        self.state = note
        self._noted = note.rows
        # The last checksum covers a part of 512 rows, which goes on with the rows to come.
        rest = note.rows % NOTE_EVERY
        self._running = note.checksums.pop() if rest else 0
        self._file.seek(0, os.SEEK_END)
        if self._file.tell() < _HEADER:
            self._file.write(array.header(0))

    @property
    def count(self) -> int:
        """The number of rows so far."""
        return self.state.rows

    def append(self, rows: Array, *, extra: Callable[[], Json] | None = None) -> None:
        """Appends rows, (n, ...).

        Args:
            rows: The rows.
            extra: Returns what the note keeps beside the rows, if the note is written now.
        """
        for row in rows:
            data = np.ascontiguousarray(row, dtype=self._array._dtype).tobytes()
            self._file.write(data)
            self._running = zlib.crc32(data, self._running)
            self.state.rows += 1
            if self.state.rows % NOTE_EVERY == 0:
                self.state.checksums.append(self._running)
                self._running = 0
        if self.state.rows - self._noted >= NOTE_EVERY:
            self.note(None if extra is None else extra())

    def note(self, extra: Json = None) -> None:
        """Writes the progress after the rows themselves are on the disk."""
        if extra is not None:
            self.state.extra = extra
        self._file.seek(0)
        self._file.write(self._array.header(self.state.rows))
        self._file.seek(0, os.SEEK_END)
        self._file.flush()
        os.fsync(self._file.fileno())
        rest = [self._running] if self.state.rows % NOTE_EVERY else []
        noted = _Note(
            self.state.rows, self.state.done, self.state.extra, self.state.checksums + rest
        )
        self._array.write_note(noted)
        self._noted = self.state.rows

    def finish(self, extra: Json = None) -> None:
        """Marks the array as complete."""
        self.state.done = True
        self.note(extra)


def _note_checksum(content: Mapping[str, Json]) -> str:
    as_read = json.loads(json.dumps(content))  # where numbers as keys are texts, and sort otherwise
    return checksum(json.dumps(as_read, sort_keys=True).encode()).decode()


_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER: Final = 192
"""Bytes of the header; long enough for any shape, so that rows never move."""
