"""Degrading batches of faces, each with its own kind and its own dice."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.core.images import check_batch
from demagnify.core.rng import generator
from demagnify.transforms import DEGRADATIONS, TRANSFORMS
from demagnify.transforms.degradations import Filter as Degradation

Indices = NDArray[np.int64]
Pixels = NDArray[np.uint8]

CLEAN: Final = 0
"""The number that stands for leaving a face as it is."""


class Degrader:
    """Applies degradations by number: 0 leaves a face, 1 is the first kind, and so on.

    What happens to a face depends on (seed, epoch, its index, its number) alone, not on the batch
    that it is in.

    Args:
        kinds: Degradations by name, in the order of their numbers from 1, or names of registered
            ones; all that are registered by default.
        seed: Of all settings that are drawn.

    Raises:
        UnknownNameError: If a name is not registered.
    """

    def __init__(
        self, kinds: Mapping[str, Degradation] | Sequence[str] | None = None, *, seed: int = 0
    ) -> None:
        chosen = kinds if isinstance(kinds, Mapping) else registered(kinds)
        self.names = tuple(chosen)
        self.seed = seed
        self._kinds = tuple(chosen.values())

    def __call__(
        self, images: torch.Tensor, numbers: Indices, indices: Indices, *, epoch: int
    ) -> torch.Tensor:
        """Returns degraded copies.

        Args:
            images: uint8 RGB (n, 3, H, W).
            numbers: int64 (n,), what is done to each face; 0 leaves it.
            indices: int64 (n,), which faces they are.
            epoch: In which pass over the data; another one draws other settings.

        Returns:
            uint8 RGB (n, 3, H, W) on the same device.

        Raises:
            ImageContractError: If `images` is not an image batch.
        """
        check_batch(images)
        rows = np.flatnonzero(numbers != CLEAN)
        if not len(rows):
            return images.clone()
        where = torch.from_numpy(rows).to(images.device)
        pixels = images[where].permute(0, 2, 3, 1).contiguous().cpu().numpy()

        def work(place: int) -> Pixels:
            row = rows[place]
            number, index = int(numbers[row]), int(indices[row])
            dice = generator(self.seed, "degradation", epoch, index, number)
            changed = self._kinds[number - 1](pixels[place].astype(np.float32), dice)
            rounded: Pixels = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
            return rounded

        degraded = np.stack(list(_pool().map(work, range(len(rows)))))
        result = images.clone()
        result[where] = torch.from_numpy(degraded).permute(0, 3, 1, 2).to(images.device)
        return result


def registered(names: Sequence[str] | None = None) -> dict[str, Degradation]:
    """Returns registered degradations by name, in the order given; all by default.

    Raises:
        UnknownNameError: If a name is not registered.
    """
    chosen = tuple(DEGRADATIONS) if names is None else names
    return {name: TRANSFORMS.get(name).filter for name in chosen}


def content_indices(images: torch.Tensor) -> Indices:
    """Returns a number for each image that its pixels alone decide: their CRC-32, int64 (n,).

    With them as indices, a degradation of the same image is the same wherever it is met.
    """
    pixels = images.contiguous().cpu().numpy()
    return np.array([zlib.crc32(image.tobytes()) for image in pixels], dtype=np.int64)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="degrader")
