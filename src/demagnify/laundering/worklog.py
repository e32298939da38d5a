"""What an attack on a folder has done already, so that nothing is done twice.

`attack.json` in the output folder holds the settings, `attack.sqlite` the finished photographs. A
line is written when the copy is in place; a run that is killed loses what was under way.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demagnify.core.errors import BadOutputError
from demagnify.core.files import write_text
from demagnify.laundering.config import FolderConfig
from demagnify.laundering.quality import QualitySummary
from demagnify.laundering.region import Region
from demagnify.laundering.sources import Source
from demagnify.transforms.attacks.base import Attack

SETTINGS: Final = "attack.json"
DONE: Final = "attack.sqlite"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS photos (
    target TEXT PRIMARY KEY, stamp TEXT, digest TEXT, request TEXT, note TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faces (
    target TEXT, number INTEGER, x INTEGER, y INTEGER, width INTEGER, height INTEGER,
    label INTEGER, note TEXT, psnr REAL, ssim REAL, PRIMARY KEY (target, number)
) WITHOUT ROWID;
"""
# Infinite and missing values: SQLite has no NaN, and infinity counts as a number.
_SUMMARY: Final = """
SELECT COUNT(ssim), COUNT(CASE WHEN psnr >= 1e308 THEN 1 END),
    AVG(CASE WHEN psnr < 1e308 THEN psnr END), AVG(ssim) FROM faces
"""
_COUNT: Final = """
SELECT COUNT(*), COUNT(CASE WHEN NOT EXISTS (
    SELECT 1 FROM faces WHERE faces.target = photos.target AND ssim IS NOT NULL
) THEN 1 END) FROM photos
"""
_FIRST_NOTE: Final = """
SELECT note FROM (SELECT note FROM faces UNION ALL SELECT note FROM photos) WHERE note != '' LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class DonePhoto:
    """A finished photograph.

    Attributes:
        target: The name of its copy.
        stamp: What `stamp_of` said of the file that was read.
        digest: SHA-256 of its content.
        request: What `request_of` said of its source.
        note: Why nothing in it was attacked; empty if something was.
    """

    target: str
    stamp: str
    digest: str
    request: str
    note: str


@dataclass(frozen=True, slots=True)
class DoneFace:
    """A face in a finished photograph.

    Attributes:
        region: What of the photograph was attacked, or would have been; None if nothing.
        label: 0 real, 1 fake, None if nobody knows.
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
        """Whether the attack had it."""
        return self.ssim is not None


def request_of(source: Source) -> str:
    """Returns what the manifest says of a file that decides on what is attacked in it."""
    return json.dumps([[record.label, record.box] for record in source.records])


def stamp_of(path: Path) -> str:
    """Returns what changes when a file does: its size and time of change; empty without a file."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


class WorkLog:
    """The finished photographs of one output folder; may be used from several threads.

    Args:
        output: The folder; made if missing.
        attack: The attack, which must be the one that an earlier run used.
        config: The settings, likewise.

    Raises:
        BadOutputError: If the folder holds something else, another run writes to it, or it
            cannot be written to.
    """

    def __init__(self, output: Path, attack: Attack, config: FolderConfig) -> None:
        self._output = output
        settings = {
            "attack": attack.name,
            "fingerprint": attack.fingerprint(),
            **config.model_dump(mode="json"),
        }
        _claim(output, json.dumps(settings, indent=2) + "\n", attack.name)
        self._lock = threading.Lock()
        self._database = _open(output)

    def __enter__(self) -> WorkLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def find(self, source: Source) -> DonePhoto | None:
        """Returns a photograph if it was finished as asked for now and its copy is still there."""
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM photos WHERE target = ?", (source.target,)
            ).fetchone()
        if row is None:
            return None
        done = DonePhoto(*row)
        asked = done.request == request_of(source)
        return done if asked and (self._output / done.target).is_file() else None

    def faces(self, target: str) -> list[DoneFace]:
        """Returns the faces of a finished photograph, in order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM faces WHERE target = ? ORDER BY number", (target,)
            ).fetchall()
        return [_face(row) for row in rows]

    def add(self, photo: DonePhoto, faces: Sequence[DoneFace]) -> None:
        """Notes that a photograph is finished; its copy is in place."""
        rows = [
            (photo.target, number, *(face.region or (None,) * 4), *_figures(face))
            for number, face in enumerate(faces)
        ]
        with self._lock, self._database:
            self._database.execute("DELETE FROM faces WHERE target = ?", (photo.target,))
            self._database.execute(
                "INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?, ?)",
                (photo.target, photo.stamp, photo.digest, photo.request, photo.note),
            )
            self._database.executemany(
                "INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def touch(self, target: str, stamp: str) -> None:
        """Notes that a file was touched without being changed."""
        with self._lock, self._database:
            self._database.execute("UPDATE photos SET stamp = ? WHERE target = ?", (stamp, target))

    def summary(self) -> QualitySummary:
        """Returns how many faces were attacked, and how close they are to the originals."""
        with self._lock:
            count, unchanged, psnr, ssim = self._database.execute(_SUMMARY).fetchone()
        nan = float("nan")
        return QualitySummary(
            count=count,
            unchanged=unchanged,
            psnr=nan if psnr is None else psnr,
            ssim=nan if ssim is None else ssim,
        )

    def count(self) -> tuple[int, int]:
        """Returns how many photographs are finished, and in how many nothing was attacked."""
        with self._lock:
            photos, untouched = self._database.execute(_COUNT).fetchone()
        return photos, untouched

    def first_note(self) -> str:
        """Returns why the first face or photograph was not attacked; empty if all were."""
        with self._lock:
            row = self._database.execute(_FIRST_NOTE).fetchone()
        return row[0] if row else ""


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


def _open(output: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(output / DONE, timeout=1.0, check_same_thread=False)
        # One writer, on any file system; what was committed outlives the process.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_TABLES)
        database.execute("BEGIN IMMEDIATE").connection.rollback()
    except sqlite3.OperationalError as error:
        raise BadOutputError(
            f"{output / DONE}: {error}", hint="wait for the other run that writes there"
        ) from error
    except sqlite3.DatabaseError as error:
        raise BadOutputError(
            f"{output / DONE} is damaged: {error}", hint="choose another output folder"
        ) from error
    return database


def _figures(face: DoneFace) -> tuple[object, ...]:
    return face.label, face.note, face.psnr, face.ssim


def _face(row: Sequence[object]) -> DoneFace:
    _target, _number, x, y, width, height, *figures = row
    region = None if x is None else Region(x, y, width, height)  # type: ignore[arg-type]
    return DoneFace(region, *figures)  # type: ignore[arg-type]
