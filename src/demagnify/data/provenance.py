"""Provenance: whether something was trained on the data set that it is evaluated on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from demagnify.data import Manifest

RECORDED: Final = "sources"
"""In a card: which data sets took part in the training, as `provenance_of` writes them."""

Shared = Literal["", "same", "other", "partly"]


def provenance_of(sources: Sequence[Path]) -> list[list[str]]:
    """Returns a digest of each split per data set, the same wherever the set is stored."""
    return [_splits(Manifest.load(source)) for source in sources]


def compare_provenance(cards: Iterable[Mapping[str, Any]], sources: Sequence[Path]) -> Shared:
    """Returns whether trainings used the data sets of an evaluation.

    Args:
        cards: Of everything that was trained.
        sources: The data sets of the evaluation.

    Returns:
        "same" if every recorded training set is among them, "other" if none is, "partly" in
        between; empty if nothing was recorded.
    """
    recorded = [set(one) for card in cards for one in card.get(RECORDED, ())]
    if not recorded:
        return ""
    mine = set().union(*map(set, provenance_of(sources)))
    shared = [bool(one & mine) for one in recorded]
    if all(shared):
        return "same"
    return "partly" if any(shared) else "other"


def _splits(manifest: Manifest) -> list[str]:
    return [_digest(manifest.split(one.split)) for one in manifest.describe()]


def _digest(manifest: Manifest) -> str:
    names = sorted(
        f"{Path(name).name} {label} {group}"
        for name, label, group in zip(manifest.names, manifest.labels, manifest.groups, strict=True)
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
