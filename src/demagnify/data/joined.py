"""Several sets of pixels seen as one, without a copy of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]


class PixelSource(Protocol):
    """Pixels of a `FaceDataset`: a uint8 array (N, 3, S, S), a memory map, or `Joined`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 3, S, S)."""

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""

    @property
    def ndim(self) -> int:
        """4."""

    @property
    def nbytes(self) -> int:
        """How many bytes the pixels take."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice | Indices, /) -> Pixels: ...


class Joined:
    """Pixels of several sources, one after the other; only what is asked for is copied.

    Args:
        parts: Sources of one image size, at least one.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, parts: Sequence[PixelSource]) -> None:
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 3, S, S), N over all parts."""
        return (len(self), *self._parts[0].shape[1:])

    @property
    def nbytes(self) -> int:
        """How many bytes all parts take."""
        return sum(part.nbytes for part in self._parts)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, key: slice, /) -> Pixels: ...
    @overload
    def __getitem__(self, key: Indices, /) -> Pixels: ...
    def __getitem__(self, key: slice | Indices, /) -> Pixels:
        indices = np.arange(len(self))[key]
        result = np.empty((len(indices), *self.shape[1:]), dtype=np.uint8)
        homes = np.searchsorted(self._starts, indices, side="right") - 1
        for home in np.unique(homes):
            mine = homes == home
            result[mine] = self._parts[home][indices[mine] - self._starts[home]]
        return result
