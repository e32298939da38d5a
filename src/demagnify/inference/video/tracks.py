"""The same face from frame to frame, by where its box and landmarks are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from demagnify.data.face_finding import Face, overlap
from demagnify.data.subsample import spread_evenly

PATIENCE: Final = 1.0
"""Seconds that a face may be out of sight and still be the same one."""
_LEAST_OVERLAP: Final = 0.2
_FARTHEST: Final = 0.6
"""Mean way of the landmarks, in lengths of the face, beyond which it is another face."""
_GROWTH: Final = 1.8

Item = TypeVar("Item")


class Evenly(Generic[Item]):
    """Keeps items spread evenly over a stream of unknown length, never more than twice `count`."""

    def __init__(self, count: int) -> None:
        self.seen = 0
        self._count, self._step = count, 1
        self._items: list[Item] = []

    def wants(self) -> bool:
        """Whether the next item is one to keep."""
        return self.seen % self._step == 0

    def add(self, item: Item | None) -> None:
        """Takes the next item; None is enough where it is not wanted."""
        if self.wants() and item is not None:
            self._items.append(item)
        self.seen += 1
        if len(self._items) > 2 * self._count:
            self._items, self._step = self._items[::2], 2 * self._step

    def chosen(self) -> list[Item]:
        """Returns `count` of the items, or all of fewer, from the first to the last kept."""
        return [self._items[place] for place in spread_evenly(len(self._items), self._count)]


@dataclass(eq=False)
class Track(Generic[Item]):
    """A face that is followed.

    Attributes:
        kept: What is kept of its frames.
        face: The face as last found.
        start: Time in seconds at which it was first found.
        end: Time in seconds at which it was last found.
    """

    kept: Evenly[Item]
    face: Face
    start: float
    end: float
    _motion: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def cost(self, face: Face, seconds: float) -> float:
        """Returns how unlike its expected place a face lies; infinite if it is another face."""
        length, other = _length(self.face), _length(face)
        if not 1 / _GROWTH < other / length < _GROWTH:
            return math.inf
        way = self._motion * (seconds - self.end)
        overlap = _overlap(self.face, face, way)
        marks = np.asarray(self.face.landmarks, np.float64) + way - face.landmarks
        apart = float(np.linalg.norm(marks, axis=1).mean()) / length
        near = apart < _FARTHEST and (overlap > 0 or apart < _FARTHEST / 2)
        return 1 - overlap + apart if near or overlap > _LEAST_OVERLAP else math.inf

    def follow(self, face: Face, seconds: float) -> None:
        """Takes a face as this one."""
        way = _centre(face) - _centre(self.face)
        self._motion = (self._motion + way / max(seconds - self.end, 1e-6)) / 2
        self.face, self.end = face, seconds


class Tracker(Generic[Item]):
    """Gives each face of a frame to the track that expects it there, the likeliest first.

    Args:
        keep: How many frames of each face are kept.
        patience: Seconds that a face may be out of sight.
    """

    def __init__(self, keep: int, patience: float = PATIENCE) -> None:
        self._keep, self._patience = keep, patience
        self._live: list[Track[Item]] = []

    def step(self, faces: Sequence[Face], seconds: float) -> list[Track[Item]]:
        """Returns the track of each face of a frame, a new one where none expects it."""
        costs = sorted(
            (track.cost(face, seconds), place, number)
            for place, track in enumerate(self._live)
            for number, face in enumerate(faces)
        )
        found: dict[int, Track[Item]] = {}
        taken: set[int] = set()
        for cost, place, number in costs:
            if math.isfinite(cost) and place not in taken and number not in found:
                taken.add(place)
                found[number] = self._live[place]
                found[number].follow(faces[number], seconds)
        for number, face in enumerate(faces):
            if number not in found:
                found[number] = Track(Evenly(self._keep), face, seconds, seconds)
                self._live.append(found[number])
        return [found[number] for number in range(len(faces))]

    def ended(self, seconds: float = math.inf) -> Iterator[Track[Item]]:
        """Yields and forgets the tracks that are out of sight for too long; all by default."""
        gone = [track for track in self._live if seconds - track.end > self._patience]
        self._live = [track for track in self._live if track not in gone]
        yield from gone


def _length(face: Face) -> float:
    return math.sqrt(max(face.box[2] * face.box[3], 1.0))


def _centre(face: Face) -> NDArray[np.float64]:
    left, top, width, height = face.box
    return np.array([left + width / 2, top + height / 2])


def _overlap(one: Face, other: Face, way: NDArray[np.float64]) -> float:
    """Returns the intersection over union of two boxes, the first moved by `way`."""
    left, top, width, height = one.box
    return overlap((left + float(way[0]), top + float(way[1]), width, height), other.box)
