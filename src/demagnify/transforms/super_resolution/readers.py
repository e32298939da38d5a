"""What reads the files of super-resolution networks: one module per file format.

A reader registers itself; see `READERS`. Example of a whole new reader:

    from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

    def read(path, *, scale, device):
        return Loaded(Network(module, scale=2), files=(path,))

    READERS.add("my-format", Reader(read, suffixes=(".mine",)))
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from demagnify.core.registry import Registry
from demagnify.transforms.super_resolution.network import Network


@dataclass(frozen=True)
class Loaded:
    """A network and the files that it was read from.

    Attributes:
        network: The network, on the CPU.
        files: All files that its result depends on.
    """

    network: Network
    files: tuple[Path, ...]


class Read(Protocol):
    """Reads a network from a file."""

    def __call__(self, path: Path, /, *, scale: int | None, device: str) -> Loaded:
        """Reads `path`; a network of any scale takes `scale`, one that cannot move `device`."""


@dataclass(frozen=True)
class Reader:
    """A file format of super-resolution networks.

    Attributes:
        read: Reads a file.
        suffixes: Endings of the files that users give, in lower case; a format without its own
            is reached by name only.
    """

    read: Read
    suffixes: tuple[str, ...] = ()


READERS: Final[Registry[Reader]] = Registry(
    "super-resolution reader",
    package="demagnify.transforms.super_resolution",
    group="demagnify.super_resolution",
)


def reader_of(path: Path) -> Reader | None:
    """Returns the reader of a file by its suffix; None if no format has it."""
    suffix = path.suffix.lower()
    readers = (READERS.get(name) for name in READERS)
    return next((reader for reader in readers if suffix in reader.suffixes), None)


def is_file(base: str) -> bool:
    """Returns whether a spec's part names a file: by its separators, its suffix or by existing."""
    if "/" in base or "\\" in base or os.path.exists(base):  # noqa: PTH110  raises if too long
        return True
    return bool(Path(base).suffix) and reader_of(Path(base)) is not None
