"""Labelled faces as `detect` sees them, each at its own size: what a calibration is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.defended import DefendedDetector
from demagnify.core import images, progress
from demagnify.core.errors import BadConfigError, BadImageError, BadManifestError
from demagnify.core.images import Pixels
from demagnify.core.parallel import in_threads
from demagnify.core.rng import generator
from demagnify.data.manifest import Manifest
from demagnify.data.prepare.opening import prepared
from demagnify.data.records import Record, Skipped, reason_of, relative_name
from demagnify.data.subsample import subsample
from demagnify.inference.fitting import Rows
from demagnify.transforms.base import Transform

Enhancement = Callable[[Sequence[Pixels]], Sequence[str]]
"""Maps crops at their own sizes, uint8 RGB (H, W, 3), to answers such as "captured"."""
Ask = Callable[[Sequence[Pixels]], tuple[NDArray[np.float64], list[str] | None]]
"""Maps crops at their own sizes to logits and answers about enhancement; None: nobody asked."""

FACES_AT_ONCE: Final = 16
STORED: Final = 75
"""JPEG quality at which enhanced faces are stored a second time."""

Indices = NDArray[np.int64]


class _Source(NamedTuple):
    manifest: Manifest
    sides: Indices


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled faces of one split of several data sets. Pixels are read when they are needed.

    Attributes:
        sources: The face crops of each data set, with the side of each in pixels; of one that is
            not square, the shorter.
    """

    sources: tuple[_Source, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def labels(self) -> Indices:
        """(N,), 0 real and 1 fake."""
        return np.concatenate([one.manifest.labels for one in self.sources])

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """(N,); groups of different data sets stay apart even where they have the same name."""
        marked = [f"{n}:{g}" for n, one in enumerate(self.sources) for g in one.manifest.groups]
        return np.array(marked, dtype=str)

    @cached_property
    def numbers(self) -> Indices:
        """(N,), the number of the data set of each face."""
        return np.repeat(np.arange(len(self.sources)), [len(one.sides) for one in self.sources])

    def parts(self) -> Iterator[tuple[Indices, torch.Tensor]]:
        """Yields (indices, images uint8 (n, 3, S, S)), a few faces of one side at a time.

        Raises:
            BadImageError: If a file has changed and cannot be decoded any more.
        """
        start = 0
        for manifest, sides in self.sources:
            for side in np.unique(sides).tolist():
                rows = np.flatnonzero(sides == side)
                for first in range(0, len(rows), FACES_AT_ONCE):
                    mine = rows[first : first + FACES_AT_ONCE]
                    files = [manifest[row].path for row in mine.tolist()]
                    pixels = [images.fit(images.load(file), side) for file in files]
                    yield start + mine, images.to_batch(pixels)
            start += len(sides)

    def asked(
        self,
        rows: Indices,
        ask: Ask,
        crops: Sequence[Pixels],
        laundered: bool = False,
        enhancer: str = "",
    ) -> Rows:
        """Asks about the faces `rows`, as they look in `crops`."""
        logits, answers = ask(crops)
        return Rows(
            logits=logits,
            labels=self.labels[rows],
            groups=self.groups[rows],
            laundered=np.full(len(rows), laundered),
            enhancement=None if answers is None else np.array(answers, dtype=str),
            enhancers=np.full(len(rows), enhancer),
            faces=rows,
        )


def open_labelled(
    data: Sequence[Path],
    split: str,
    *,
    reals_only: Sequence[Path] = (),
    count: int | None = None,
    strict: bool = False,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Faces:
    """Opens a split of data sets as faces at their own sizes.

    Args:
        data: Data sets; see `Manifest.load`. Faces are cut out of photographs and videos first.
        split: The split.
        reals_only: Further data sets of which only the real faces are taken.
        count: At most so many faces of each data set; all if None.
        strict: Whether a bad file or line is an error.
        on_skip: Gets each file or line that is left out.

    Raises:
        BadManifestError: If a data set cannot be used.
        BadImageError: When strict, at anything bad.
    """
    sources = []
    for number, place in enumerate([*data, *reals_only]):
        manifest = Manifest.load(place, strict=strict)
        manifest.check_groups()
        crops = prepared(subsample(manifest.split(split), count), strict=strict)
        source, bad = _measured(crops, strict=strict)
        for skipped in (*manifest.skipped, *crops.skipped, *bad):
            if on_skip:
                on_skip(skipped)
        if number >= len(data):
            kept = np.flatnonzero(source.manifest.labels == 0)
            source = _Source(source.manifest[kept], source.sides[kept])
        sources.append(source)
    return Faces(tuple(sources))


def _measured(crops: Manifest, *, strict: bool) -> tuple[_Source, list[Skipped]]:
    """Returns the crops that can be decoded, with the side of each, and the others."""
    found = list(in_threads(_side, crops, "reading faces"))
    sides = [one for one in found if isinstance(one, int)]
    kept = [row for row, one in enumerate(found) if isinstance(one, int)]
    skipped = []
    for row, one in enumerate(found):
        if isinstance(one, BadImageError):
            if strict:
                raise one
            path = crops[row].path
            skipped.append(Skipped(relative_name(path, crops.root), reason_of(one, path)))
    if not sides:
        raise BadManifestError(f"{crops.source}: no image can be read; the first: {skipped[0]}")
    return _Source(crops[np.array(kept, dtype=np.int64)], np.array(sides)), skipped


def _side(record: Record) -> int | BadImageError:
    try:
        return int(min(images.load(record.path).shape[:2]))
    except BadImageError as error:
        return error


def asks(defense: DefendedDetector, enhancement: Enhancement | None) -> Ask:
    """Returns what asks a defence, and about enhancement, as `detect` does.

    Args:
        defense: Gets the faces resized to what it takes.
        enhancement: Gets them as they are; nobody is asked if None.
    """

    def ask(crops: Sequence[Pixels]) -> tuple[NDArray[np.float64], list[str] | None]:
        batch = images.to_batch([images.fit(crop, defense.input_size) for crop in crops])
        logits = defense.decide(batch).logits.double().cpu().numpy()
        return logits, None if enhancement is None else list(enhancement(crops))

    return ask


class Laundering:
    """Launders every face by one attack, drawn at random.

    Args:
        attacks: The attacks.
        count: How many faces there are.
        seed: Of the draw.
        purpose: Another draw for another purpose.

    Attributes:
        names: (N,), the attack of each face.

    Raises:
        BadConfigError: If there is no attack.
    """

    def __init__(self, attacks: Sequence[Transform], count: int, seed: int, purpose: str) -> None:
        if not attacks:
            raise BadConfigError("calibration needs an attack", hint="such as --attack bicubic-x4")
        self._attacks = list(attacks)
        self._drawn = generator(seed, purpose).integers(len(attacks), size=count)
        self.names = np.array([attacks[place].name for place in self._drawn], dtype=str)

    def __call__(self, rows: Indices, batch: torch.Tensor) -> list[Pixels]:
        """Returns the faces `rows`, images uint8 (n, 3, S, S), each under its attack."""
        done = batch.clone()
        for place, attack in enumerate(self._attacks):
            mine = np.flatnonzero(self._drawn[rows] == place)
            if len(mine):
                done[mine] = attack(batch[mine]).cpu()
        return images.from_batch(done)


def collect(
    faces: Faces, ask: Ask, launder: Laundering, enhancers: Sequence[Transform] = ()
) -> Rows:
    """Asks about every face: clean, laundered, and enhanced by each network.

    Enhanced faces count as the network leaves them, and stored as JPEG 75.
    """
    versions: list[Rows] = []
    with progress.bar("classifying faces", len(faces)) as advance:
        for rows, batch in faces.parts():
            made: list[tuple[bool, str, list[Pixels]]] = [
                (False, "", images.from_batch(batch)),
                (True, "", launder(rows, batch)),
            ]
            for network in enhancers:
                crops = images.from_batch(network(batch).cpu())
                stored = [images.through_jpeg(crop, STORED) for crop in crops]
                made += [(False, network.name, crops), (True, network.name, stored)]
            versions += [
                faces.asked(rows, ask, crops, laundered=again, enhancer=name)
                for again, name, crops in made
            ]
            advance(len(rows))
    found = Rows.joined(versions)
    assert found.enhancers is not None and found.faces is not None  # noqa: S101, PT018
    turns = ["", *(network.name for network in enhancers)]
    turn = np.array([turns.index(name) for name in found.enhancers.tolist()])
    return found.at(np.lexsort((found.faces, found.laundered, turn)))
