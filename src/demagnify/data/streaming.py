"""Faces decoded file by file: all of them once, or batch by batch in each pass."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core import images as image_files
from demagnify.core.errors import BadImageError
from demagnify.core.parallel import in_threads, prefetch
from demagnify.data.manifest import Manifest
from demagnify.data.records import Record, Skipped, reason_of, relative_name

Pixels = NDArray[np.uint8]


def decoded(
    manifest: Manifest, *, first: int = 0, size: int, strict: bool, workers: int | None
) -> Iterator[Pixels | Skipped]:
    """Yields the pixels of every record from `first` on, (3, S, S), or why there are none.

    Raises:
        BadImageError: When strict, at the first file that cannot be decoded.
    """
    rest = manifest[first:]
    results = in_threads(partial(_decode, size=size), rest, "reading faces", workers=workers)
    for place, result in enumerate(results):
        if not isinstance(result, BadImageError):
            yield result
        elif strict:
            raise result
        else:
            record = rest[place]
            reason = reason_of(result, record.path)
            yield Skipped(relative_name(record.path, manifest.root), reason)


def _decode(record: Record, *, size: int) -> Pixels | BadImageError:
    try:
        pixels = image_files.fit(image_files.load(record.path), size)
    except BadImageError as error:
        return error
    return pixels.transpose(2, 0, 1)


class FaceStream:
    """One pass over a manifest of any size, in batches; the next is decoded meanwhile.

    `FaceDataset.open` decodes once and keeps the pixels, for many passes. A stream keeps a few
    batches only, and decodes again in every pass.

    Args:
        manifest: The images.
        size: Side of the faces in pixels.
        batch_size: Faces in a batch; the last may be smaller.
        strict: Whether a bad file stops the stream instead of being listed in `skipped`.
        workers: Threads that decode; a few more than there are processors by default.
        depth: How many batches may wait for the caller.

    Attributes:
        skipped: The files of the latest pass that could not be decoded, so far.

    Raises:
        BadManifestError: If the faces have yet to be cut out of photographs or videos.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        size: int = 224,
        batch_size: int = 64,
        strict: bool = False,
        workers: int | None = None,
        depth: int = 2,
    ) -> None:
        manifest.check_prepared()
        self._manifest = manifest
        self._size = size
        self._batch_size = batch_size
        self._strict = strict
        self._workers = workers
        self._depth = depth
        self.skipped: list[Skipped] = []

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        """Yields (indices into the manifest, images uint8 (n, 3, S, S)), in order.

        Raises:
            BadImageError: When strict, at the first file that cannot be decoded.
        """
        self.skipped = []
        return prefetch(self._batches(), depth=self._depth)

    def _batches(self) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        indices: list[int] = []
        pixels: list[Pixels] = []
        results = decoded(
            self._manifest, size=self._size, strict=self._strict, workers=self._workers
        )
        for index, result in enumerate(results):
            if isinstance(result, Skipped):
                self.skipped.append(result)
                continue
            indices.append(index)
            pixels.append(result)
            if len(pixels) == self._batch_size:
                yield _batch(indices, pixels)
                indices, pixels = [], []
        if pixels:
            yield _batch(indices, pixels)


def _batch(indices: list[int], pixels: list[Pixels]) -> tuple[NDArray[np.int64], torch.Tensor]:
    return np.array(indices, dtype=np.int64), torch.from_numpy(np.stack(pixels))
