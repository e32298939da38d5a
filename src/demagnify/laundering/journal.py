"""The finished photographs of an attacked folder, so that a stopped run continues.

`run.json` in the output folder holds the settings, `finished.jsonl` the finished photographs. A
line is written once the copy is in place; a killed run loses only unfinished photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from demagnify.core.images import Pixels
from demagnify.core.runs import Journal, claim
from demagnify.data.records import Box
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.sources import Source
from demagnify.transforms.base import Transform

FINISHED: Final = "finished.jsonl"


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
    """A face in a finished photograph."""

    # the part of the photograph that was attacked, or would have been; None if none
    region: Region | None
    box: Box | None = None  # where the data set says it is, in the upright photograph
    label: int | None  # 0 real, 1 fake, None if unknown
    note: str  # why it was not attacked; empty if it was
    psnr: float | None  # dB, infinite if nothing changed; None if it was not attacked
    ssim: float | None  # the same

    @property
    def attacked(self) -> bool:
        """Whether it was attacked."""
        return self.ssim is not None


class PhotoRecord(_Record):
    """A finished photograph."""

    target: str  # the name of its copy
    stamp: str  # `stamp_of` of the file that was read
    digest: str  # SHA-256 of its content
    request: str  # `Source.request` at the time
    copy_digest: str  # SHA-256 of the copy's content
    note: str  # why nothing in it was attacked; empty if something was
    faces: tuple[FaceRecord, ...]  # its faces, in order


def stamp_of(path: Path) -> str:
    """Returns size and time of change of a file; empty if there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


class Finished(Protocol):
    """Knows which photographs are finished."""

    def find(self, source: Source, /) -> PhotoRecord | None:
        """Returns the record of a photograph if it was finished with the present request."""

    def add(self, record: PhotoRecord, /) -> None:
        """Records a photograph as finished; its copy is in place."""


@dataclass(frozen=True)
class FinishedPhotographs:
    """The finished photographs of one output folder; may be used from several threads."""

    journal: Journal  # by the name of the copy

    def find(self, source: Source) -> PhotoRecord | None:
        """Returns the record of a photograph if it was finished with the present request."""
        item = self.journal.find(source.target)
        record = None if item is None else PhotoRecord.model_validate(item)
        return record if record is not None and record.request == source.request else None

    def add(self, record: PhotoRecord) -> None:
        """Records a photograph as finished; its copy is in place."""
        self.journal.add(record.target, record.model_dump(mode="json"))


@contextmanager
def claimed(output: Path, attack: Transform, config: AttackConfig) -> Iterator[FinishedPhotographs]:
    """Holds an output folder for an attack, and yields its finished photographs."""
    identity = {"attack": attack.name, "fingerprint": attack.fingerprint(), **config.identity()}
    with (
        claim(output, identity, what="an attack") as folder,
        Journal(folder / FINISHED) as journal,
    ):
        yield FinishedPhotographs(journal)
