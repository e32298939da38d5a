"""Faces as a torch dataset, decoded once for random access."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Dataset

from demagnify.core import images as image_files
from demagnify.core.errors import BadManifestError, ImageContractError
from demagnify.core.parallel import prefetch
from demagnify.data import storage
from demagnify.data.manifest import Manifest
from demagnify.data.records import Skipped
from demagnify.data.streaming import Pixels, decoded

Indices = NDArray[np.int64]
PixelSource: TypeAlias = "Pixels | Joined"
"""Pixels of a `FaceDataset`: a uint8 array (N, 3, S, S), a memory map, or several joined."""


class Joined:
    """Pixels of several sources, one after the other; only the requested rows are copied.

    torch's `ConcatDataset` and `Subset` read image by image. This one reads a batch of a memory
    map at once, and many batches per second depend on that.

    Args:
        parts: Sources of one image size, at least one.
        rows: int64 (n,), which rows of all parts there are, in their order; all if None.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts: Sequence[PixelSource], rows: Indices | None = None) -> None:
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        self._rows = np.arange(self._starts[-1]) if rows is None else rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 3, S, S)."""
        return (len(self), *self._parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        """How many bytes the rows take."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: slice, /) -> Pixels: ...
    @overload
    def __getitem__(self, key: Indices, /) -> Pixels: ...
    def __getitem__(self, key: slice | Indices, /) -> Pixels:
        indices = self._rows[key]
        result = np.empty((len(indices), *self.shape[1:]), dtype=np.uint8)
        homes = np.searchsorted(self._starts, indices, side="right") - 1
        for home in np.unique(homes):
            mine = homes == home
            result[mine] = self._parts[home][indices[mine] - self._starts[home]]
        return result


class FaceDataset(Dataset[tuple[torch.Tensor, int]]):
    """Decoded faces of one size with their labels; random access is cheap.

    An item is (image, label): uint8 RGB (3, S, S) and 0 (real) or 1 (fake), as a `DataLoader`
    takes it. `batch` and `batches` read many images at once, which is faster.

    Attributes:
        images: uint8 RGB (N, 3, S, S); in memory, or a memory map when larger than 1 GiB.
        labels: int64 (N,), 0 real and 1 fake.
        groups: str (N,); a group stays on one side of a split.
        names: Names of the images in tables; file names below the manifest's folder.
        size: Side S of the images in pixels.
        skipped: Files that could not be decoded.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader
        >>> pixels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> faces = FaceDataset.from_arrays(pixels, [0, 1, 1, 0])
        >>> images, labels = next(iter(DataLoader(faces, batch_size=2)))
        >>> images.shape, labels.tolist()
        (torch.Size([2, 3, 8, 8]), [0, 1])
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

        spec = storage.RowSpec(
            "faces", (3, size, size), np.dtype(np.uint8), storage.MEMORY_LIMIT, version="3"
        )
        stored = storage.filled(spec, files, len(manifest), decode)
        if not len(stored.kept):
            raise BadManifestError(
                f"{manifest.source}: no image can be read; the first: {stored.skipped[0]}"
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

    @classmethod
    def from_batches(cls, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> FaceDataset:
        """Makes faces of all batches that a `DataLoader` gives, once.

        Args:
            batches: uint8 RGB images (N, 3, S, S), 0-255, with labels (N,), 0 real and 1 fake. Let
                the loader keep its order and draw no augmentation.

        Raises:
            ImageContractError: If a batch is not of this kind.
            BadManifestError: If there is none.
        """
        images, labels = [], []
        for pixels, classes in batches:
            images.append(image_files.check_batch(pixels).cpu())
            labels.append(torch.as_tensor(classes).cpu())
        if not images:
            raise BadManifestError("the loader gives no batch")
        return cls.from_arrays(torch.cat(images), torch.cat(labels).numpy())

    def batch(self, indices: ArrayLike | torch.Tensor) -> torch.Tensor:
        """Returns the images at `indices`, uint8 (n, 3, S, S), as a copy of their own."""
        return torch.from_numpy(self.images[np.asarray(indices, dtype=np.int64)])

    def batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        """Yields (indices, images) in order, `size` at a time, the last batch maybe shorter.

        The next batches are read from the disk while the caller works on the present one.
        """
        return prefetch(self._batches(size))

    def _batches(self, size: int) -> Iterator[tuple[NDArray[np.int64], torch.Tensor]]:
        for start in range(0, len(self), size):
            indices = np.arange(start, min(start + size, len(self)), dtype=np.int64)
            yield indices, self.batch(indices)

    def subset(self, indices: ArrayLike | torch.Tensor, *, copy: bool = True) -> FaceDataset:
        """Returns the faces at `indices`, in that order.

        Args:
            indices: Numbers of faces.
            copy: Whether their pixels are copied now, or read when they are asked for.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        names = [self.names[index] for index in chosen]
        images = self.images[chosen] if copy else Joined([self.images], chosen)
        return FaceDataset(images, self.labels[chosen], self.groups[chosen], names)

    @classmethod
    def choose(cls, versions: Sequence[FaceDataset], numbers: ArrayLike) -> FaceDataset:
        """Returns every face in one of several versions, such as clean and attacked.

        Pixels are read when they are asked for. Labels and names are those of the first version.

        Args:
            versions: The same N faces, several times.
            numbers: (N,), the number of each face's version.

        Example:
            >>> faces = FaceDataset.from_arrays(np.zeros((2, 3, 8, 8), np.uint8), [0, 1])
            >>> bright = faces.with_images(np.full((2, 3, 8, 8), 9, np.uint8))
            >>> FaceDataset.choose([faces, bright], [0, 1]).batch([0, 1]).amax(dim=(1, 2, 3))
            tensor([0, 9], dtype=torch.uint8)
        """
        first = versions[0]
        rows = np.asarray(numbers, dtype=np.int64) * len(first) + np.arange(len(first))
        pixels = Joined([version.images for version in versions], rows)
        return cls(pixels, first.labels, first.groups, first.names, first.skipped)

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

    def relabelled(self, labels: NDArray[np.int64]) -> FaceDataset:
        """Returns the same faces with other labels, int64 (N,)."""
        return FaceDataset(self.images, labels, self.groups, self.names, self.skipped)

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

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        """Returns several items, read at once; `DataLoader` prefers this to single reads."""
        return list(zip(self.batch(indices), self.labels[indices].tolist(), strict=True))

    def __repr__(self) -> str:
        fakes = int(self.labels.sum())
        return f"FaceDataset({len(self) - fakes} real, {fakes} fake, {self.size}x{self.size})"
