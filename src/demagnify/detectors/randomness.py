"""Random numbers from (seed, purpose, indices), never from global state."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Returns a generator that gives the same numbers for the same arguments."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *indices])


def derived_seed(seed: int, purpose: str, *indices: int) -> int:
    """Returns a seed for torch, the same for the same arguments."""
    return int(generator(seed, purpose, *indices).integers(2**63))
