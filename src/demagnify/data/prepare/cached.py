"""Faces of a data set, cut out once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from demagnify.core.assets import cache_folder
from demagnify.core.errors import BadImageError, BadOutputError
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.prepare.cutting import NO_FACE, Finder
from demagnify.data.prepare.folder import SKIPPED_NAME, prepare, read_skipped
from demagnify.data.prepare.settings import PrepareSettings

FOLDER: Final = "prepared"
AS_IT_IS: Final = PrepareSettings(unboxed="keep")
"""Cut out what has a box or is a frame; take everything else for the face crop that it is."""


def prepared(
    manifest: Manifest,
    settings: PrepareSettings = AS_IT_IS,
    *,
    finder: Finder | None = None,
    strict: bool = False,
    workers: int | None = None,
) -> Manifest:
    """Returns a manifest of face crops: itself, or crops of it from the cache.

    What is not a face crop yet is cut out as `prepare` does it, into the folder `prepared` of the
    cache, once for the same manifest, photographs and settings; two runs at once do it once.

    Args:
        manifest: The data set.
        settings: How faces are cut.
        finder: Finds faces; YuNet by default, fetched only if it is needed.
        strict: Whether a bad file or box is an error instead of being in `skipped`.
        workers: Threads; a few more than there are processors by default.

    Raises:
        BadOutputError: If the cache cannot be written to.
        BadImageError: When strict, if there is anything bad.
        BadManifestError: If no face could be cut out.
    """
    if manifest.prepared:
        return manifest
    folder = cache_folder() / FOLDER / _key(manifest, settings)
    _make(folder.parent)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / FILE_NAME).is_file():
            bare = Manifest.from_table(manifest.table, root=manifest.root)
            prepare(bare, folder, settings, finder=finder, strict=strict, workers=workers)
    skipped = read_skipped(folder / SKIPPED_NAME)
    bad = [line for line in skipped if line.reason != NO_FACE]
    if strict and bad:
        raise BadImageError(f"{manifest.root}: {bad[0]}")
    crops = Manifest.load(folder / FILE_NAME)
    return Manifest.from_table(crops.table, root=folder, skipped=(*manifest.skipped, *skipped))


def open_faces(manifest: Manifest, *, size: int, strict: bool = False) -> FaceDataset:
    """Opens the faces of any manifest, cut out first where need be.

    Args:
        manifest: The data set.
        size: Side of the faces in pixels.
        strict: Whether a bad file or box is an error instead of being in `skipped`.

    Returns:
        The faces; `skipped` lists what could not be cut out, then what could not be decoded.

    Raises:
        BadImageError: When strict, if there is anything bad.
        BadManifestError: If there is no face.
        BadOutputError: If the cache is needed and cannot be written to.
    """
    crops = prepared(manifest, strict=strict)
    faces = FaceDataset.open(crops, size=size, strict=strict)
    faces.skipped = (*crops.skipped, *faces.skipped)
    return faces


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadOutputError(
            f"cannot write {folder}: {error.strerror or error}",
            hint="set DEMAGNIFY_CACHE to another folder",
        ) from error


def _key(manifest: Manifest, settings: PrepareSettings) -> str:
    """Returns what changes when a record, a photograph or a setting does."""
    root = os.path.abspath(manifest.root)  # noqa: PTH100  without following links
    digest = hashlib.sha256(f"prepared v1 {settings.model_dump_json()}\n{root}\n".encode())
    digest.update(_content(manifest.table))
    for name in pc.unique(manifest.table["file_name"]).to_pylist():
        digest.update(_stamp(manifest.root / name))
    return digest.hexdigest()[:32]


def _content(table: pa.Table) -> pa.Buffer:
    """Returns all rows as bytes: the same for the same rows, however they are kept in memory."""
    texts = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    plain = table.cast(pa.schema(texts)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return sink.getvalue()


def _stamp(path: Path) -> bytes:
    try:
        status = os.stat(path)  # noqa: PTH116  Path.stat fails on odd names in other ways
    except (OSError, ValueError):
        return b"missing\n"
    return f"{status.st_size} {status.st_mtime_ns}\n".encode()
