"""The finished photographs of an attacked folder, so that a stopped run continues.

`attack.json` in the output folder holds the settings, `attack.jsonl` the finished photographs. A
line is written once the copy is in place; a killed run loses only unfinished photographs.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_text
from demagnify.core.images import Pixels
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.sources import Source
from demagnify.transforms.base import Transform

SETTINGS: Final = "attack.json"
FINISHED: Final = "attack.jsonl"
LOCK: Final = "attack.lock"


class Region(NamedTuple):
    """A part of a photograph, in whole pixels, inside of it."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def of(self, pixels: Pixels) -> Pixels:
        """Returns that part of a photograph, (height, width, 3), as a view."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class FaceRecord(_Record):
    """A face in a finished photograph.

    Attributes:
        region: The part of the photograph that was attacked, or would have been; None if none.
        label: 0 real, 1 fake, None if unknown.
        note: Why it was not attacked; empty if it was.
        psnr: Between the region before and after, dB, infinite if nothing changed; None if it was
            not attacked.
        ssim: The same.
    """

    region: Region | None
    label: int | None
    note: str
    psnr: float | None
    ssim: float | None

    @property
    def attacked(self) -> bool:
        """Whether it was attacked."""
        return self.ssim is not None


class PhotoRecord(_Record):
    """A finished photograph.

    Attributes:
        target: The name of its copy.
        stamp: `stamp_of` of the file that was read.
        digest: SHA-256 of its content.
        request: `Source.request` at the time.
        copy_digest: SHA-256 of the copy's content.
        note: Why nothing in it was attacked; empty if something was.
        faces: Its faces, in order.
    """

    target: str
    stamp: str
    digest: str
    request: str
    copy_digest: str
    note: str
    faces: tuple[FaceRecord, ...]


def stamp_of(path: Path) -> str:
    """Returns size and time of change of a file; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


class Journal:
    """The finished photographs of one output folder; may be used from several threads.

    Args:
        output: The folder; made if missing.
        attack: The attack, which must be the one that an earlier run used.
        config: The settings, likewise.

    Raises:
        BadOutputError: If the folder holds something else, another run writes to it, or it
            cannot be written to.
    """

    def __init__(self, output: Path, attack: Transform, config: AttackConfig) -> None:
        settings = {"attack": attack.name, "fingerprint": attack.fingerprint(), **config.identity()}
        _claim(output, json.dumps(settings, indent=2) + "\n", attack.name)
        self._lock = threading.Lock()
        self._claimed = FileLock(output / LOCK)
        try:
            self._claimed.acquire(timeout=1.0)
        except Timeout as error:
            raise BadOutputError(
                f"{output}: another run writes there", hint="wait for the other run"
            ) from error
        self._lines = dict(_whole_lines(output / FINISHED))
        self._file = (output / FINISHED).open("a", encoding="utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._claimed.release()

    def find(self, source: Source) -> PhotoRecord | None:
        """Returns the record of a photograph if it was finished with the present request."""
        line = self._lines.get(source.target)
        record = None if line is None else PhotoRecord.model_validate_json(line)
        return record if record is not None and record.request == source.request else None

    def add(self, record: PhotoRecord) -> None:
        """Records a photograph as finished; its copy is in place."""
        line = record.model_dump_json()
        with self._lock:
            self._lines[record.target] = line
            self._file.write(f"{line}\n")
            self._file.flush()


def _whole_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yields target and line of every record; half a line at the end is cut off."""
    if not path.exists():
        return
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
    for line in data.decode(errors="replace").split("\n"):
        with suppress(ValidationError):
            yield PhotoRecord.model_validate_json(line).target, line


def _claim(output: Path, settings: str, name: str) -> None:
    """Writes the settings, or checks that they are those of an earlier run."""
    path = output / SETTINGS
    if path.is_file():
        if path.read_text(encoding="utf-8") != settings:
            raise BadOutputError(
                f"{output} holds images of another attack than {name}, or of other settings",
                hint="choose another output folder",
            )
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadOutputError(
            f"{output} is not empty, and not made by an attack",
            hint="choose another output folder",
        )
    else:
        write_text(path, settings)
