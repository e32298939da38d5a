"""Training faces on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.parallel import prefetch
from demagnify.data.dataset import FaceDataset

_SHARE_OF_FREE_MEMORY: Final = 0.4

Indices = NDArray[np.int64]


class DevicePixels:
    """Hands out batches of faces on a device, in any order.

    On a GPU with room for them all faces are moved there once. Otherwise the next batch is read
    while the network works on the present one.

    Args:
        faces: The faces.
        device: Where the batches shall be.
    """

    def __init__(self, faces: FaceDataset, device: torch.device) -> None:
        self._faces = faces
        self._device = device
        self._resident = self._move_all() if self._has_room() else None

    def batches(self, orders: Sequence[Indices]) -> Iterator[tuple[Indices, torch.Tensor]]:
        """Yields (indices, images uint8 (n, 3, S, S) on the device) for each set of indices."""
        if self._resident is not None:
            for indices in orders:
                yield indices, self._resident[torch.from_numpy(indices).to(self._device)]
            return
        yield from prefetch(((indices, self._read(indices)) for indices in orders), depth=1)

    def _read(self, indices: Indices) -> torch.Tensor:
        images = self._faces.batch(indices)
        if self._device.type == "cuda":
            return images.pin_memory().to(self._device, non_blocking=True)
        return images.to(self._device)

    def _has_room(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._faces.images.nbytes < free * _SHARE_OF_FREE_MEMORY

    def _move_all(self) -> torch.Tensor:
        shape = self._faces.images.shape
        resident = torch.empty(shape, dtype=torch.uint8, device=self._device)
        for indices, images in self._faces.batches(256):
            resident[indices[0] : indices[0] + len(indices)].copy_(images)
        return resident
