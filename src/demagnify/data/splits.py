"""The split of a group, decided by its name alone; and groups that belong together.

No seed takes part: a group is in the same split in every run, on every machine, and in every
larger version of its data set, so that a network trained under one seed never meets its own
training photographs in the test split of another.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from demagnify.core.errors import BadConfigError, BadManifestError

WHOLE: Final = "all"
FRACTIONS: Final[Mapping[str, float]] = MappingProxyType({"train": 0.7, "val": 0.1, "test": 0.2})

_ALIASES: Final = {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}


def split_of(group: str, fractions: Mapping[str, float] = FRACTIONS) -> str:
    """Returns the split of `group`: the SHA-256 of its name, laid over the fractions.

    Args:
        group: What must stay on one side of a split (source photograph, video, pair).
        fractions: Share of each split, in order; they add up to 1.

    Raises:
        BadConfigError: If the fractions are negative or do not add up to 1.

    Example:
        >>> split_of("video-7")
        'train'
    """
    if min(fractions.values(), default=0.0) < 0 or not math.isclose(sum(fractions.values()), 1):
        raise BadConfigError(f"split fractions are positive and add up to 1, not {dict(fractions)}")
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    place = int.from_bytes(digest[:6], "big") / 2**48
    bounds = accumulate(fractions.values())
    names = [name for name, bound in zip(fractions, bounds, strict=True) if place < bound]
    return names[0] if names else list(fractions)[-1]


def parse_split(text: str) -> str:
    """Returns the name of a split in the one way it is written here, such as "val".

    Any name is good; case and the long forms of train, val and test do not matter.

    Raises:
        BadManifestError: If there is no name.
    """
    name = text.strip().lower()
    if not name:
        raise BadManifestError("the split is empty", hint="name it train, val or test")
    return _ALIASES.get(name, name)


def is_usual(name: str) -> bool:
    """Whether `name` is train, val or test in one of their forms."""
    return bool(name.strip()) and parse_split(name) in FRACTIONS


class Together:
    """Names that must stay on one side of a split, joined two at a time (a union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, *names: str) -> None:
        """Puts names, and all that was joined with any of them, into one group."""
        for name in names:
            first, second = self.group(names[0]), self.group(name)
            self._parent[max(first, second)] = min(first, second)

    def group(self, name: str) -> str:
        """Returns the group of a name: the first, in the order of letters, of those joined."""
        root = name
        while (parent := self._parent.setdefault(root, root)) != root:
            root = parent
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root
