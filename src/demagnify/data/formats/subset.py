"""A part of a data set, chosen by group and seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from demagnify.core.errors import BadConfigError


def choose(names: Iterable[str], fraction: float, seed: int) -> set[str]:
    """Returns `fraction` of the different `names`, at least one.

    Which ones depends on the seed and the names alone, not on their order; a smaller fraction
    under the same seed is a part of a larger one.

    Raises:
        BadConfigError: If the fraction is not above 0 and at most 1.
    """
    if not 0.0 < fraction <= 1.0:
        raise BadConfigError(f"a fraction is above 0 and at most 1, not {fraction}")
    distinct = set(names)
    if fraction == 1.0:
        return distinct
    ordered = sorted(distinct, key=lambda name: (_place(name, seed), name))
    return set(ordered[: max(1, math.floor(fraction * len(ordered) + 0.5))])


def _place(name: str, seed: int) -> bytes:
    text = f"subset {seed}\n{name}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).digest()
