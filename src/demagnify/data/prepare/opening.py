"""Opens data sets as faces: cut out where need be, once, and kept in the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from demagnify.core.assets import CACHE_HINT, writable_cache
from demagnify.core.errors import BadImageError
from demagnify.core.runs import hold
from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import FILE_NAME, Manifest
from demagnify.data.prepare.cutting import NO_FACE, Finder, PrepareConfig
from demagnify.data.prepare.folder import SKIPPED_NAME, is_intact, prepare, read_skipped
from demagnify.data.records import Skipped
from demagnify.data.storage import stamp
from demagnify.data.subsample import subsample as subsampled

FOLDER: Final = "prepared"
AS_IT_IS: Final = PrepareConfig(crops=True)
"""Cut out what has a box or is a frame; take everything else for the face crop that it is."""


def prepared(
    manifest: Manifest,
    config: PrepareConfig = AS_IT_IS,
    *,
    finder: Finder | None = None,
    strict: bool = False,
) -> Manifest:
    """Returns a manifest of face crops: itself, or crops of it from the cache.

    What is not a face crop yet is cut out as `prepare` does it, into the folder `prepared` of the
    cache, once for the same manifest, photographs and settings; two runs at once do it once.

    Args:
        manifest: The data set.
        config: How faces are cut.
        finder: Finds faces; YuNet by default, fetched only if it is needed.
        strict: Whether a bad file or box is an error instead of being in `skipped`.

    Raises:
        BadOutputError: If the cache cannot be written to.
        BadImageError: When strict, if there is anything bad.
        BadManifestError: If no face could be cut out.
    """
    if manifest.prepared:
        return manifest
    folder = writable_cache() / FOLDER / _key(manifest, config)
    with hold(folder.with_suffix(".lock"), hint=CACHE_HINT):
        if not is_intact(folder):
            bare = Manifest.from_table(manifest.table, root=manifest.root)
            prepare(bare, folder, config, finder=finder, strict=strict)
    skipped = read_skipped(folder / SKIPPED_NAME)
    bad = [line for line in skipped if line.reason != NO_FACE]
    if strict and bad:
        raise BadImageError(f"{manifest.source}: {bad[0]}")
    crops = Manifest.load(folder / FILE_NAME)
    skipped = [*manifest.skipped, *skipped]
    return Manifest.from_table(crops.table, root=folder, skipped=skipped, source=manifest.source)


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


def _key(manifest: Manifest, config: PrepareConfig) -> str:
    """Returns a digest of the records, the photographs' stamps and the settings."""
    root = os.path.abspath(manifest.root)  # noqa: PTH100  without following links
    digest = hashlib.sha256(f"prepared v2 {config.model_dump_json()}\n{root}\n".encode())
    digest.update(_content(manifest.table))
    for name in pc.unique(manifest.table["file_name"]).to_pylist():
        digest.update(f"{stamp(manifest.root / name)}\n".encode())
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


def open_splits(
    sources: Sequence[Path],
    splits: Sequence[str],
    *,
    size: int,
    subsample: int | None = None,
    strict: bool = False,
    on_skip: Callable[[Skipped], None] | None = None,
) -> dict[str, FaceDataset]:
    """Returns splits of one data set or several, each as one set of faces.

    Faces that have yet to be cut out of photographs or videos are cut out once, into the cache.
    Groups of different data sets stay apart even where they have the same name. What was left
    out is listed once: a file in its split, a line of a manifest, whose split is unknown, in
    the first.

    Args:
        sources: Manifests; see `Manifest.load`.
        splits: Some of "train", "val", "test".
        size: Side of the faces in pixels.
        subsample: At most so many faces of each data set and split, drawn by group; see
            `demagnify.data.subsample`.
        strict: Whether a bad line or file stops the reading instead of being skipped.
        on_skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be read, lacks a split, or has a group in two.
    """
    manifests = [Manifest.load(source, strict=strict) for source in sources]
    for manifest in manifests:
        manifest.check_groups()
    chosen = {
        split: [subsampled(manifest.split(split), subsample) for manifest in manifests]
        for split in splits
    }
    marks = [f"{number}:" for number in range(len(sources))] if len(sources) > 1 else [""]
    lines = [
        Skipped(f"{mark}{line.where}", line.reason)
        for mark, manifest in zip(marks, manifests, strict=True)
        for line in manifest.skipped
    ]
    opened = {}
    for split, parts in chosen.items():
        faces = [
            _marked(open_faces(part, size=size, strict=strict), mark)
            for part, mark in zip(parts, marks, strict=True)
        ]
        opened[split] = faces[0] if len(faces) == 1 else FaceDataset.concatenate(faces)
        opened[split].skipped, lines = (*lines, *opened[split].skipped), []
    for skipped in (one for whole in opened.values() for one in whole.skipped):
        if on_skip:
            on_skip(skipped)
    return opened


def _marked(faces: FaceDataset, mark: str) -> FaceDataset:
    """Returns the same faces with `mark` before every name and group."""
    names, groups = ([f"{mark}{name}" for name in names] for names in (faces.names, faces.groups))
    marked = faces.renamed(names, groups)
    marked.skipped = tuple(Skipped(f"{mark}{one.where}", one.reason) for one in faces.skipped)
    return marked
