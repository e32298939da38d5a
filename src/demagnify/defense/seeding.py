"""Random generators that need no history: each is made of a seed, a purpose and an index."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def generator(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """Returns NumPy's generator for one purpose and index; the same three give the same draws."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), index])


def torch_generator(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """Returns a CPU generator of torch for one purpose and index."""
    number = int(generator(seed, purpose, index).integers(2**63 - 1))
    return torch.Generator().manual_seed(number)
