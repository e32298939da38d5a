"""Random numbers from (seed, purpose, indices), never from global state.

As every draw can be made again from its own three, a training that is resumed needs no record of
the generators that it had used.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Returns NumPy's generator; the same arguments give the same numbers."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *indices])


def derived_seed(seed: int, purpose: str, *indices: int) -> int:
    """Returns a seed for torch, the same for the same arguments."""
    return int(generator(seed, purpose, *indices).integers(2**63 - 1))


def torch_generator(seed: int, purpose: str, *indices: int) -> torch.Generator:
    """Returns a CPU generator of torch; the same arguments give the same numbers."""
    import torch

    return torch.Generator().manual_seed(derived_seed(seed, purpose, *indices))
