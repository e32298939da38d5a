"""The attacks that the adaptive attacker chooses from, carried out on every face."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core.errors import BadConfigError
from demagnify.data.dataset import FaceDataset
from demagnify.data.joined import PixelSource
from demagnify.evaluation.adaptive.search import ORIGINAL
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.quality import psnr
from demagnify.transforms.attacks.base import Attack

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CHUNK: Final = 64

FAST_ATTACKS: Final = (
    "bicubic-x2",
    "bicubic-x3",
    "bicubic-x4",
    "realesr-compact-x2",
    "realesr-compact-x3",
    "realesr-compact-x4",
    "realesr-compact-x4@k2",
    "waifu2x-photo-x2",
    "srmd-x3",
    "srmd-x4",
    "srresnet-x4",
    "srgan-x4",
    "realesr-compact-x2+jpeg-75",
    "srgan-x4+jpeg-75",
    "realesr-compact-x2+srgan-x4",
)
"""What the attacker chooses from unless told otherwise: at 224x224 each takes half a second of
a processor per face at most."""


class Candidates:
    """The same faces under each of M attacks; the attacker makes them on a machine of its own.

    Args:
        faces: The originals, N of them.
        attacks: The attacks; none of them does nothing.
        cache: Where attacked faces are kept, so that none is made twice.
        batch_size: How many faces a network sees at once.

    Attributes:
        names: What tables call the attacks.
        columns: Number of each attack -> its fingerprint and all faces under it; the number of
            the originals is -1.

    Raises:
        BadConfigError: If there is no attack, or two have one name.
        BadOutputError: If `cache` cannot be written to.
    """

    def __init__(
        self, faces: FaceDataset, attacks: Sequence[Attack], *, cache: Path, batch_size: int = 16
    ) -> None:
        self.names = [attack.name for attack in attacks]
        if not attacks:
            raise BadConfigError("there is no attack to choose from")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise BadConfigError(f"several attacks are called {', '.join(twice)}")
        self.faces = faces
        self.columns: dict[int, tuple[str, FaceDataset]] = {ORIGINAL: ("none", faces)}
        for number, attack in enumerate(attacks):
            attacked = attacked_faces(
                faces, attack, cache=cache, batch_size=batch_size, in_memory=False
            )
            self.columns[number] = (attack.fingerprint(), attacked)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def psnr(self) -> Floats:
        """PSNR in dB of every face after every attack, float64 (N, M); infinite if unchanged."""
        values = np.empty((len(self.faces), len(self)))
        for rows, originals in self.faces.batches(CHUNK):
            for number in range(len(self)):
                values[rows, number] = psnr(originals, self.columns[number][1].batch(rows))
        return values

    def published(self, winner: Integers) -> FaceDataset:
        """Returns each face under its own attack; pixels are copied only when they are asked for.

        Args:
            winner: int64 (N,), the number of each face's attack; -1 for the original.
        """
        sources = {number: faces.images for number, (_, faces) in self.columns.items()}
        clean = self.faces
        return FaceDataset(
            _Chosen(sources, winner), clean.labels, clean.groups, clean.names, clean.skipped
        )


class _Chosen:
    """Of several sources of the same images, for each image the one that was chosen."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, sources: dict[int, PixelSource], choice: Integers) -> None:
        self._sources = sources
        self._choice = choice

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._sources[ORIGINAL].shape[1:])

    @property
    def nbytes(self) -> int:
        return self._sources[ORIGINAL].nbytes

    def __len__(self) -> int:
        return len(self._choice)

    def __getitem__(self, key: slice | Integers, /) -> NDArray[np.uint8]:
        rows = np.arange(len(self))[key]
        pixels = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for number in np.unique(self._choice[rows]).tolist():
            mine = self._choice[rows] == number
            pixels[mine] = self._sources[number][rows[mine]]
        return pixels
