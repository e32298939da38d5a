"""Statistics of every image: its size and, on request, hashes of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from scipy.fft import dctn

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.parallel import in_threads
from demagnify.data import storage
from demagnify.data.boxes import ON_ITS_SIDE, upright_box
from demagnify.data.columns import encoded
from demagnify.data.manifest import Manifest
from demagnify.data.records import (
    BOX,
    Box,
    Record,
    Skipped,
    reason_of,
    relative_name,
)

ROW: Final = np.dtype(
    [("width", "<i4"), ("height", "<i4"), ("appearance", "<u8"), ("pixels", "<u8")]
)

Row = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sizes and hashes of a manifest's images.

    Attributes:
        rows: One for each image that could be read, (n,): `width` and `height` in pixels, of the
            box where a record has one, 0 for frames of videos; `appearance`, the
            perceptual hash, and `pixels`, 64 bits of the SHA-256 of the decoded pixels, both 0
            where nothing was hashed; `appearance` alone is 0 of a face without any: under 8
            pixels on a side, or of one colour.
        kept: Which records these are, by number.
        skipped: The files that could not be read, and why.
    """

    rows: Row
    kept: NDArray[np.int64]
    skipped: list[Skipped]


def read_statistics(
    manifest: Manifest, *, hashes: bool = True, workers: int | None = None
) -> Statistics:
    """Reads sizes and hashes of every image of a manifest.

    Without hashes only the headers of files are read. With them every image is decoded once, and
    the result is kept in the cache folder, so that an interrupted run goes on where it was.
    The perceptual hash is pHash: the signs of the 64 lowest frequencies of a 32x32 grey copy.

    Args:
        manifest: The images. A face with a box counts as large as the box, and is hashed alone.
        hashes: Whether to compute the hashes.
        workers: Threads; a few more than there are processors by default.

    Raises:
        BadOutputError: If the cache folder cannot be written to.
    """

    def make(first: int) -> Iterator[Row | Skipped]:
        rest = manifest[first:]
        photos = (list(same) for _, same in groupby(rest, key=lambda record: record.path))
        read = _read_content if hashes else _read_header
        seen = in_threads(
            read, photos, "reading images", workers=workers, total=_count_photos(rest)
        )
        for records, result in seen:
            if isinstance(result, str):
                name = relative_name(records[0].path, manifest.root)
                yield from [Skipped(name, result)] * len(records)
            else:
                yield from result

    limit = 0 if hashes else storage.MEMORY_LIMIT
    spec = storage.RowSpec("statistics", (), ROW, limit, version=f"3 {_boxes(manifest)}")
    paths = (str(record.path) for record in manifest)
    stored = storage.filled(spec, paths, len(manifest), make)
    return Statistics(stored.rows, stored.kept, stored.skipped)


def read_size(path: Path) -> tuple[int, int]:
    """Returns width and height of a photograph, upright, from its header alone.

    Raises:
        BadImageError: If the header cannot be read.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation) in ON_ITS_SIDE
    except FileNotFoundError as error:
        raise BadImageError(f"{path}: there is no such file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadImageError(f"{path}: not an image that can be read") from error
    return (height, width) if turned else (width, height)


Seen = tuple[Sequence[Record], list[Row] | str]


def _read_header(records: Sequence[Record]) -> Seen:
    """Returns the sizes of the faces of one file: their boxes', else the one in its header."""
    whole = (0, 0)
    if any(record.prepared for record in records):
        try:
            whole = read_size(records[0].path)
        except BadImageError as error:
            return records, reason_of(error, records[0].path)
    return records, [_row(record.box, whole) for record in records]


def _read_content(records: Sequence[Record]) -> Seen:
    """Returns sizes and hashes of the faces of one file."""
    if records[0].video:
        return records, [_row(record.box, (0, 0)) for record in records]
    try:
        photo, orientation = images.load_oriented(records[0].path)
    except BadImageError as error:
        return records, reason_of(error, records[0].path)
    return records, [_hashed_row(photo, orientation, record) for record in records]


def _hashed_row(photo: images.Pixels, orientation: int, record: Record) -> Row:
    height, width = photo.shape[:2]
    face = photo
    if record.box is not None:
        turned = {"width": width, "height": height, "orientation": orientation}
        try:
            face = _cut(photo, upright_box(record.box, record, **turned))
        except BadImageError:  # where the face is cut out, it is refused with a line
            face = photo[:0]
    row = _row(record.box, (width, height))
    if face.size:
        if min(face.shape[:2]) >= images.MIN_SIDE and np.ptp(face, axis=(0, 1)).any():
            row["appearance"] = appearance(face)
        row["pixels"] = int.from_bytes(hashlib.sha256(face.tobytes()).digest()[:8], "big")
    return row


def appearance(pixels: images.Pixels) -> int:
    """Returns the perceptual hash (pHash), 64 bits, of a photograph, uint8 RGB (H, W, 3).

    Same bits as `imagehash.phash`.
    """
    small = Image.fromarray(pixels).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    frequencies = dctn(np.asarray(small, dtype=np.float64))[:8, :8]
    bits = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _cut(photo: images.Pixels, box: Box) -> images.Pixels:
    """Returns the part of a photograph inside of a box; empty if the box lies beyond it."""
    left, top = max(0, round(box.x)), max(0, round(box.y))
    right, bottom = max(0, round(box.x + box.width)), max(0, round(box.y + box.height))
    return np.ascontiguousarray(photo[top:bottom, left:right])


def _row(box: Box | None, whole: tuple[int, int]) -> Row:
    width, height = whole if box is None else (round(box.width), round(box.height))
    return np.array((width, height, 0, 0), dtype=ROW)


def _count_photos(manifest: Manifest) -> int:
    """Returns how many runs of records of one file there are."""
    codes = np.asarray(encoded(manifest.table["file_name"]).indices)
    return int(np.count_nonzero(np.diff(codes))) + 1 if len(codes) else 0


def _boxes(manifest: Manifest) -> str:
    """Returns a digest of all boxes."""
    digest = hashlib.sha256()
    for name in BOX:
        if name in manifest.table.column_names:
            digest.update(manifest.table[name].to_numpy().tobytes())
    return digest.hexdigest()
