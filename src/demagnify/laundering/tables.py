"""The tables of an attacked folder: its manifest, its faces, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from demagnify.core.files import atomic_path
from demagnify.core.printing import cell
from demagnify.data.boxes import without_statement
from demagnify.data.labels import label_name
from demagnify.data.manifest import FILE_NAME
from demagnify.data.records import BOX, Record, Skipped
from demagnify.data.writer import write_rows
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.journal import FaceRecord, FinishedPhotographs, PhotoRecord
from demagnify.laundering.sources import Source, Sources

FACES_NAME: Final = "faces.csv"
SKIPPED_NAME: Final = "skipped.csv"
FIGURES: Final = ("original", "attacked", "psnr", "ssim")

Row = Mapping[str, object]


def write_tables(
    output: Path,
    sources: Sources,
    journal: FinishedPhotographs,
    skipped: Sequence[Skipped],
    config: AttackConfig,
) -> None:
    """Writes the tables; a row at a time, so that memory stays flat.

    `metadata.csv` has one line for each photograph, or for each record where the manifest has
    several for one: file_name, then label, split, group, box and further columns where the source
    is labelled, then `original`, `attacked` (how many faces), and PSNR and SSIM, averaged over
    those. `faces.csv`, for photographs, has one line for each face. Cells of `faces.csv` and
    `skipped.csv` that a spreadsheet would run begin with '; `metadata.csv`, which is read again,
    holds every name as it is.
    """
    names = _columns(sources)
    _write(output / FILE_NAME, names, _photo_rows(sources, journal))
    if config.content == "photos":
        columns = ("file_name", "face", *BOX, "label", "attacked", "psnr", "ssim", "note")
        _write(output / FACES_NAME, columns, map(_for_people, _face_rows(sources, journal)))
    lines = ({"where": line.where, "reason": line.reason} for line in skipped)
    _write(output / SKIPPED_NAME, ("where", "reason"), map(_for_people, lines))


def _for_people(row: Row) -> Row:
    return {key: cell(value) for key, value in row.items()}


def finished(
    sources: Sources, journal: FinishedPhotographs
) -> Iterator[tuple[Source, PhotoRecord]]:
    """Yields the photographs of which there are copies, in order."""
    for source in sources:
        record = journal.find(source)
        if record is not None:
            yield source, record


def _columns(sources: Sources) -> list[str]:
    """Returns the columns of the manifest: what belongs to an attack comes last."""
    head = ["file_name"]
    if sources.labelled:
        head += ["label", "split", "group", *sources.further_columns]
    return [name for name in head if name not in FIGURES] + list(FIGURES)


def _photo_rows(sources: Sources, journal: FinishedPhotographs) -> Iterator[Row]:
    for source, done in finished(sources, journal):
        faces = done.faces
        boxed = sum(record.box is not None for record in source.records)
        placed = iter(faces if boxed == len(faces) else ())
        for record in source.records or (None,):
            face = next(placed, None) if record is not None and record.box is not None else None
            if face is None:
                yield _photo_row(source, record, faces)
            elif face.region is not None:
                yield _photo_row(source, record, [face])


def unplaced(sources: Sources, journal: FinishedPhotographs) -> Iterator[Skipped]:
    """Yields the boxes that do not fit their photographs; these rows are left out."""
    for source, done in finished(sources, journal):
        for number, face in enumerate(done.faces):
            if face.region is None:
                yield Skipped(f"{source.name}, face {number}", face.note)


def _photo_row(source: Source, record: Record | None, faces: Sequence[FaceRecord]) -> Row:
    attacked = [face for face in faces if face.attacked]
    row: dict[str, object] = {"file_name": source.target}
    if record is not None:
        row |= {
            "label": label_name(record.label),
            "split": record.split,
            "group": record.group,
            **record.extra,
        }
        if record.box is not None:
            box = faces[0].box if faces else None
            if box is not None:  # the copy is upright, and so is this box
                row = without_statement(row)
            sides = zip(BOX, box or record.box, strict=True)
            row |= {name: f"{value:.10g}" for name, value in sides}
    return row | {
        "original": source.name,
        "attacked": len(attacked),
        "psnr": _mean([face.psnr for face in attacked], 4),
        "ssim": _mean([face.ssim for face in attacked], 6),
    }


def _face_rows(sources: Sources, journal: FinishedPhotographs) -> Iterator[Row]:
    for source, done in finished(sources, journal):
        for number, face in enumerate(done.faces):
            region = ("",) * len(BOX) if face.region is None else face.region
            yield {
                "file_name": source.target,
                "face": number,
                **dict(zip(BOX, region, strict=True)),
                "label": "" if face.label is None else label_name(face.label),
                "attacked": int(face.attacked),
                "psnr": _mean([face.psnr], 4),
                "ssim": _mean([face.ssim], 6),
                "note": face.note,
            }


def _mean(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.{digits}f}" if known else ""


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        write_rows(file, [columns])
        write_rows(file, ([row.get(name, "") for name in columns] for row in rows))
