"""Splits of one data set or several, opened as faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from demagnify.data.dataset import FaceDataset
from demagnify.data.manifest import Manifest
from demagnify.data.prepare.folder import open_faces
from demagnify.data.records import Skipped
from demagnify.data.subsample import subsample as subsampled


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
    out is listed once: a file in its split, a line of a manifest, whose split nobody knows, in
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
