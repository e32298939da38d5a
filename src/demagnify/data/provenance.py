"""Provenance: on which data sets, and under which attacks, something was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from demagnify.data import Manifest

RECORDED: Final = "sources"
"""In a card: which data sets took part in the training, as `provenance_of` writes them."""

SEEN: Final = "seen_attacks"
"""In a card: the attacks that took part in the training, by name."""

Cards = Iterable[Mapping[str, Any]]
Shared = Literal["", "same", "other", "partly"]


def provenance_of(sources: Sequence[Path]) -> list[list[str]]:
    """Returns a digest of each split per data set, the same wherever the set is stored."""
    return [_splits(Manifest.load(source)) for source in sources]


def all_sources(cards: Cards, sources: Sequence[Path]) -> list[list[str]]:
    """Returns what cards record of data sets, and that of more data sets, each once."""
    whole = [one for card in cards for one in card.get(RECORDED, ())] + provenance_of(sources)
    return [one for number, one in enumerate(whole) if one not in whole[:number]]


def all_seen(cards: Cards, attacks: Iterable[str] = ()) -> tuple[str, ...]:
    """Returns the attacks that cards record, and more, each once."""
    recorded = (attack for card in cards for attack in card.get(SEEN, ()))
    return tuple(dict.fromkeys((*recorded, *attacks)))


def compare_provenance(cards: Cards, sources: Sequence[Path]) -> Shared:
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
