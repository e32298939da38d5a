"""The pixels of a manifest, decoded once, so that any image is at hand in any order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from demagnify.core import images as image_files
from demagnify.core.errors import BadImageError, BadManifestError, ImageContractError
from demagnify.data import storage
from demagnify.data.joined import Joined, PixelSource
from demagnify.data.manifest import Manifest
from demagnify.data.parallel import ahead, in_threads
from demagnify.data.records import Record, Skipped, relative_name

Pixels = NDArray[np.uint8]


class FaceDataset:
    """Decoded faces of one size with their labels; access in random order is cheap.

    Attributes:
        images: uint8 RGB (N, 3, S, S); in memory, or a memory map when larger than 1 GiB.
        labels: int64 (N,), 0 real and 1 fake.
        groups: str (N,), what must stay on one side of a split.
        names: What to call each image in tables; file names below the manifest's folder.
        size: Side S of the images in pixels.
        skipped: Files that could not be decoded.
    """

    def __init__(
        self,
        images: PixelSource,
        labels: NDArray[np.int64],
        groups: NDArray[np.str_],
        names: Sequence[str],
        skipped: Sequence[Skipped] = (),
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ImageContractError(
                f"faces are uint8 of shape (N, 3, S, S), not {images.dtype} of {images.shape}"
            )
        if images.shape[2] != images.shape[3]:
            raise ImageContractError(f"faces are square, not {images.shape[2]}x{images.shape[3]}")
        if not len(images) == len(labels) == len(groups) == len(names):
            raise ImageContractError(
                f"{len(images)} faces with {len(labels)} labels, {len(groups)} groups and "
                f"{len(names)} names"
            )
        self.images = images
        self.labels = labels
        self.groups = groups
        self.names = list(names)
        self.size = images.shape[2]
        self.skipped = tuple(skipped)

    @classmethod
    def open(
        cls,
        manifest: Manifest,
        *,
        size: int = 224,
        strict: bool = False,
        workers: int | None = None,
    ) -> FaceDataset:
        """Decodes every image of a manifest and resizes it to `size`.

        Sets larger than 1 GiB go into a file in the cache folder, which later runs use again; an
        interrupted reading goes on where it was.

        Args:
            manifest: The images.
            size: Side of the faces in pixels.
            strict: Whether a bad file stops the reading instead of being listed in `skipped`.
            workers: Threads that decode; a few more than there are processors by default.

        Raises:
            BadImageError: When strict, at the first file that cannot be decoded.
            BadManifestError: If no file can be decoded, or the faces have yet to be cut out.
        """
        manifest.check_prepared()
        names = manifest.names
        files = (os.path.join(manifest.root, name) for name in names)  # noqa: PTH118

        def decode(first: int) -> Iterator[Pixels | Skipped]:
            return decoded(manifest, first=first, size=size, strict=strict, workers=workers)

        shelf = storage.Shelf(
            "faces", (3, size, size), np.dtype(np.uint8), storage.MEMORY_LIMIT, version="2"
        )
        stored = storage.filled(shelf, files, len(manifest), decode)
        if not len(stored.kept):
            raise BadManifestError(
                f"{manifest.root}: no image can be read; the first: {stored.skipped[0]}"
            )
        if len(stored.kept) < len(names):
            names = [names[index] for index in stored.kept]
        return cls(
            stored.rows,
            manifest.labels[stored.kept],
            manifest.groups[stored.kept],
            names,
            stored.skipped,
        )

    @classmethod
    def from_arrays(
        cls,
        images: Pixels | torch.Tensor,
        labels: ArrayLike,
        groups: Sequence[str] | NDArray[np.str_] | None = None,
        names: Sequence[str] | None = None,
    ) -> FaceDataset:
        """Makes faces of pixels that are in memory already.

        Args:
            images: uint8 RGB (N, 3, S, S).
            labels: N labels, 0 real and 1 fake.
            groups: N groups; each image is its own by default.
            names: N names; numbers by default.

        Raises:
            ImageContractError: If shapes, dtype or counts do not fit, or a label is not 0 or 1.
        """
        pixels = images.cpu().numpy() if isinstance(images, torch.Tensor) else np.asarray(images)
        numbers = np.asarray(labels)
        if numbers.ndim != 1 or not np.isin(numbers, (0, 1)).all():
            raise ImageContractError("labels are a row of 0 (real) and 1 (fake)")
        default = [f"{index:06d}" for index in range(len(pixels))]
        names = default if names is None else names
        groups = names if groups is None else groups
        return cls(pixels, numbers.astype(np.int64), np.asarray(groups, dtype=np.str_), names)

    def batch(self, indices: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Returns the images at `indices`, uint8 (n, 3, S, S), as a copy of their own."""
        return torch.from_numpy(self.images[np.asarray(indices, dtype=np.int64)])

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        """Yields (indices, images) in order, `size` at a time, the last batch maybe shorter.

        The next batches are read from the disk while the caller works on the present one.
        """
        return ahead(self._batches(size))

    def _batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        for start in range(0, len(self), size):
            indices = np.arange(start, min(start + size, len(self)), dtype=np.int64)
            yield indices, self.batch(indices)

    def subset(self, indices: ArrayLike | torch.Tensor) -> FaceDataset:
        """Returns the faces at `indices`, in that order."""
        chosen = np.asarray(indices, dtype=np.int64)
        names = [self.names[index] for index in chosen]
        return FaceDataset(self.images[chosen], self.labels[chosen], self.groups[chosen], names)

    @classmethod
    def concatenate(cls, parts: Sequence[FaceDataset]) -> FaceDataset:
        """Returns several sets as one, one after the other; their pixels are not copied.

        Raises:
            ImageContractError: If there is no set, or they differ in size.
        """
        sizes = sorted({part.size for part in parts})
        if len(sizes) != 1:
            raise ImageContractError(f"faces that are put together have one size, not {sizes}")
        return cls(
            Joined([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.groups for part in parts]),
            [name for part in parts for name in part.names],
            [skipped for part in parts for skipped in part.skipped],
        )

    def renamed(self, names: Sequence[str], groups: Sequence[str] | None = None) -> FaceDataset:
        """Returns the same faces under other names and, where given, in other groups."""
        kept = self.groups if groups is None else np.asarray(groups, dtype=np.str_)
        return FaceDataset(self.images, self.labels, kept, names, self.skipped)

    def with_images(self, images: Pixels | torch.Tensor) -> FaceDataset:
        """Returns other pixels, such as attacked ones, under the same labels, groups and names.

        Raises:
            ImageContractError: If the shape is another.
        """
        pixels = images.cpu().numpy() if isinstance(images, torch.Tensor) else images
        if pixels.shape != self.images.shape:
            raise ImageContractError(
                f"the new faces have shape {pixels.shape}, the old ones {self.images.shape}"
            )
        return FaceDataset(pixels, self.labels, self.groups, self.names, self.skipped)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of shape and pixels as 64 hexadecimal digits."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for start in range(0, len(self), 256):
            digest.update(np.ascontiguousarray(self.images[start : start + 256]).data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        fakes = int(self.labels.sum())
        return f"FaceDataset({len(self) - fakes} real, {fakes} fake, {self.size}x{self.size})"


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
            reason = result.message.removeprefix(f"{record.path}: ")
            yield Skipped(relative_name(record.path, manifest.root), reason)


def _decode(record: Record, *, size: int) -> Pixels | BadImageError:
    try:
        pixels = image_files.fit(image_files.load(record.path), size)
    except BadImageError as error:
        return error
    return pixels.transpose(2, 0, 1)
