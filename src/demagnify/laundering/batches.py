"""Faces of one size, out of several photographs, for the network to take together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch

from demagnify.core import images
from demagnify.core.errors import ImageContractError
from demagnify.core.images import Pixels
from demagnify.laundering.jobs import Ended, Job, PhotoFace
from demagnify.laundering.region import Region, Size
from demagnify.transforms.attacks.base import Attack

BYTES_WAITING: Final = 2**27
"""Bytes of photographs that wait for others with faces of their sizes: memory stays bounded."""

Waiting = list[tuple[Job, PhotoFace, Region]]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Faces of one size.

    Attributes:
        images: uint8 RGB (N, 3, H, W).
        faces: Which faces they are, and in which photographs.
    """

    images: torch.Tensor
    faces: tuple[tuple[Job, PhotoFace], ...]

    def run(self, attack: Attack) -> list[Job]:
        """Attacks the faces; returns the photographs that wait for nothing more.

        Faces that are too small for the attack get a note that says so.
        """
        try:
            attacked: list[Pixels] = images.from_batch(attack(self.images))
        except ImageContractError as error:
            for _, face in self.faces:
                face.note = error.message
        else:
            for (_, face), pixels in zip(self.faces, attacked, strict=True):
                face.attacked = pixels
        return [job for job in dict.fromkeys(job for job, _ in self.faces) if not job.wanted()]


def in_batches(jobs: Iterable[Job | Ended], size: int) -> Iterator[Batch | Job | Ended]:
    """Groups the faces of photographs by their size, in batches that are full if they can be.

    Args:
        jobs: The photographs; those that need nothing more are passed on.
        size: How many faces a batch has at most.

    Yields:
        Batches; and photographs without a face to attack, as they are.
    """
    waiting = _Waiting()
    for job in jobs:
        if isinstance(job, Ended):
            yield job
            continue
        faces = job.wanted()
        if not faces:
            yield job
        for face, region in faces:
            group = waiting.add(job, face, region)
            if len(group) == size:
                yield waiting.take(region.size)
        while waiting.bytes > BYTES_WAITING:
            yield waiting.take(waiting.commonest())
    while waiting.groups:
        yield waiting.take(next(iter(waiting.groups)))


class _Waiting:
    """The faces that wait, by size, and how much memory their photographs take."""

    def __init__(self) -> None:
        self.groups: dict[Size, Waiting] = {}
        self._held: dict[Job, int] = {}
        self.bytes = 0

    def add(self, job: Job, face: PhotoFace, region: Region) -> Waiting:
        group = self.groups.setdefault(region.size, [])
        group.append((job, face, region))
        if job not in self._held:
            self._held[job] = 0
            self.bytes += job.photo.pixels.nbytes
        self._held[job] += 1
        return group

    def take(self, size: Size) -> Batch:
        """Returns the group of a size as a batch."""
        group = self.groups.pop(size)
        for job, _, _ in group:
            self._held[job] -= 1
            if not self._held[job]:
                del self._held[job]
                self.bytes -= job.photo.pixels.nbytes
        crops = [region.of(job.photo.pixels) for job, _, region in group]
        return Batch(images.to_batch(crops), tuple((job, face) for job, face, _ in group))

    def commonest(self) -> Size:
        """Returns the size of which most faces wait."""
        return max(self.groups, key=lambda size: len(self.groups[size]))
