"""The way of a photograph through an attack.

Some threads read files and find faces; faces of one size, out of several photographs, pass through
the attack together; other threads paste, compare, encode and save meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from demagnify.core import images
from demagnify.core.errors import BadImageError, ImageContractError
from demagnify.core.files import sha256, write_bytes
from demagnify.core.images import Pixels
from demagnify.data.boxes import upright_box
from demagnify.data.face_finding import Face, put, square_around
from demagnify.data.photographs import Photograph
from demagnify.data.records import Box, Record
from demagnify.laundering.config import AttackConfig
from demagnify.laundering.journal import (
    FaceRecord,
    Finished,
    PhotoRecord,
    Region,
    stamp_of,
)
from demagnify.laundering.quality import image_quality
from demagnify.laundering.sources import Source
from demagnify.transforms.base import Transform

FindFaces = Callable[[Pixels], list[Face]]
Size = tuple[int, int]
"""Height and width in pixels."""

NO_FACE: Final = "no face was found"
NOT_CHOSEN: Final = "not chosen"
FEATHER: Final = 1 / 12
"""Over which share of its side a feathered face fades into the photograph."""
BYTES_WAITING: Final = 2**27
"""Bytes of photographs that wait for others with faces of their sizes: memory stays bounded."""


@dataclass(slots=True, eq=False)
class PhotoFace:
    """A face in a photograph."""

    # the part of the photograph that is attacked; None if it does not lie in it
    region: Region | None
    label: int | None  # 0 real, 1 fake, None if unknown
    note: str = ""  # why it is not attacked; empty if it is
    box: Box | None = None  # where the data set says it is, in the upright photograph
    attacked: Pixels | None = None  # its pixels after the attack, once they are there


@dataclass(slots=True, eq=False)
class Job:
    """A photograph that was read, with its faces."""

    source: Source  # where it comes from
    stamp: str  # size and time of change of the file; see `stamp_of`
    digest: str  # SHA-256 of its content
    photo: Photograph
    # every face; for a labelled photograph with boxes one for each record, in order
    faces: list[PhotoFace]
    note: str = ""  # why nothing in it is attacked; empty if something is

    def pending(self) -> list[tuple[PhotoFace, Region]]:
        """Returns the faces that are still to be attacked, with their regions."""
        return [
            (face, face.region)
            for face in self.faces
            if face.region is not None and not face.note and face.attacked is None
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A file that needs nothing more."""

    source: Source  # where it comes from
    error: BadImageError | None = None  # why there is no copy of it; None if there is one


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads files that are not finished; may be used from several threads."""

    config: AttackConfig
    find_faces: FindFaces  # for photographs for which the manifest names no boxes
    output: Path  # the folder of the copies
    journal: Finished
    log: Callable[[str], None]  # gets a line about each copy that is made again

    def __call__(self, source: Source) -> Job | Outcome:
        """Reads a file, unless its content was attacked before and the copy is whole."""
        done = self._whole(source)
        stamp = stamp_of(source.path)
        if done is not None and done.stamp == stamp:
            return Outcome(source)
        try:
            data = _read(source)
            digest = hashlib.sha256(data).hexdigest()
            if done is not None and done.digest == digest:
                self.journal.add(done.model_copy(update={"stamp": stamp}))
                return Outcome(source)
            photo = Photograph.decode(data, name=str(source.path))
            faces, note = self._faces(source, photo)
        except BadImageError as error:
            return Outcome(source, error)
        return Job(source, stamp, digest, photo, faces, note)

    def _whole(self, source: Source) -> PhotoRecord | None:
        """Returns the record of a finished photograph whose copy is as it was written."""
        done = self.journal.find(source)
        if done is None:
            return None
        copy = self.output / source.target
        there = copy.is_file()
        if there and sha256(copy) == done.copy_digest:
            return done
        self.log(f"{copy} {'was changed' if there else 'is missing'}; it is made again")
        return None

    def _faces(self, source: Source, photo: Photograph) -> tuple[list[PhotoFace], str]:
        """Returns the faces in a photograph, and why none of them is attacked, if so."""
        pixels = photo.pixels
        boxed = [(record, record.box) for record in source.records if record.box is not None]
        if boxed and self.config.content == "photos":
            faces = [self._boxed(record, box, photo) for record, box in boxed]
            return faces, "" if any(not face.note for face in faces) else faces[0].note
        labels = sorted(source.labels)
        if labels and not any(self.config.chooses(label) for label in labels):
            return [], NOT_CHOSEN
        label = labels[0] if len(labels) == 1 else None
        if self.config.content == "crops":
            height, width = pixels.shape[:2]
            return [PhotoFace(Region(0, 0, width, height), label)], ""
        found = [
            PhotoFace(self._region(face.box, pixels.shape), label)
            for face in self.find_faces(pixels)
        ]
        return found, "" if found else NO_FACE

    def _boxed(self, record: Record, box: Box, photo: Photograph) -> PhotoFace:
        shape = photo.pixels.shape
        try:
            box = upright_box(
                box, record, width=shape[1], height=shape[0], orientation=photo.orientation
            )
        except BadImageError as error:
            if self.config.strict:
                raise BadImageError(f"{record.path}: {error.message}", hint=error.hint) from error
            return PhotoFace(None, record.label, error.message)
        note = "" if self.config.chooses(record.label) else NOT_CHOSEN
        return PhotoFace(self._region(box, shape), record.label, note, box)

    def _region(self, box: tuple[float, float, float, float], shape: tuple[int, ...]) -> Region:
        x, y, side = square_around(box, shape, margin=self.config.margin)
        return Region(x, y, side, side)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Faces of one size, out of several photographs."""

    images: torch.Tensor  # uint8 RGB (N, 3, H, W)
    faces: tuple[tuple[Job, PhotoFace], ...]  # which faces they are, and in which photographs

    def run(self, attack: Transform) -> list[Job]:
        """Attacks the faces; returns the photographs in which no face is pending any more.

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
        return [job for job in dict.fromkeys(job for job, _ in self.faces) if not job.pending()]


def in_batches(jobs: Iterable[Job | Outcome], size: int) -> Iterator[Batch | Job | Outcome]:
    """Groups the faces of photographs by their size, in batches that are full if they can be."""
    waiting = _Waiting()
    for job in jobs:
        if isinstance(job, Outcome):
            yield job
            continue
        faces = job.pending()
        if not faces:
            yield job
        for face, region in faces:
            if waiting.add(job, face, region) == size:
                yield waiting.take(region.size)
        while waiting.bytes > BYTES_WAITING:
            yield waiting.take(waiting.most_common())
    while waiting.groups:
        yield waiting.take(next(iter(waiting.groups)))


class _Waiting:
    """The faces that wait, by size, and how much memory their photographs take."""

    def __init__(self) -> None:
        self.groups: dict[Size, list[tuple[Job, PhotoFace, Region]]] = {}
        self._held: dict[Job, int] = {}
        self.bytes = 0

    def add(self, job: Job, face: PhotoFace, region: Region) -> int:
        """Adds a face; returns how many of its size wait."""
        group = self.groups.setdefault(region.size, [])
        group.append((job, face, region))
        if job not in self._held:
            self._held[job] = 0
            self.bytes += job.photo.pixels.nbytes
        self._held[job] += 1
        return len(group)

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

    def most_common(self) -> Size:
        """Returns the size of which most faces wait."""
        return max(self.groups, key=lambda size: len(self.groups[size]))


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes the copies of attacked photographs; may be used from several threads."""

    config: AttackConfig
    output: Path
    journal: Finished

    def __call__(self, job: Job | Outcome) -> Outcome:
        """Writes the copy of a photograph in which no face is pending.

        A face crop that could not be attacked is not written, since it must not stand among
        attacked ones, nor is a file of a format that cannot be written.
        """
        if isinstance(job, Outcome):
            return job
        name = job.source.path
        if self.config.content == "crops" and any(face.note for face in job.faces):
            return Outcome(job.source, BadImageError(f"{name}: {job.faces[0].note}"))
        pixels = self._paste(job)
        try:
            data = job.photo.encode(pixels, save_as=self.config.save_as)
        except BadImageError as error:
            return Outcome(job.source, BadImageError(f"{name}: {error.message}", hint=error.hint))
        write_bytes(self.output / job.source.target, data)
        record = PhotoRecord(
            target=job.source.target,
            stamp=job.stamp,
            digest=job.digest,
            request=job.source.request,
            copy_digest=hashlib.sha256(data).hexdigest(),
            note=job.note,
            faces=tuple(_record(face, job.photo.pixels, pixels) for face in job.faces),
        )
        self.journal.add(record)
        return Outcome(job.source)

    def _paste(self, job: Job) -> Pixels:
        """Returns the photograph with its faces put back, smaller ones over larger ones."""
        attacked = [
            (face.region, face.attacked)
            for face in job.faces
            if face.region is not None and face.attacked is not None
        ]
        if not attacked:
            return job.photo.pixels
        pixels = job.photo.pixels.copy()
        for region, patch in sorted(attacked, key=lambda pair: pair[1].size, reverse=True):
            feather = 0 if self.config.paste == "hard" else round(FEATHER * region.width)
            put(pixels, patch, region.x, region.y, feather=feather)
        return pixels


def _record(face: PhotoFace, original: Pixels, copy: Pixels) -> FaceRecord:
    psnr, ssim = None, None
    if face.attacked is not None and face.region is not None:
        psnr, ssim = image_quality(face.region.of(original), face.region.of(copy))
    return FaceRecord(
        region=face.region, box=face.box, label=face.label, note=face.note, psnr=psnr, ssim=ssim
    )


def _read(source: Source) -> bytes:
    if any(record.video for record in source.records):
        raise BadImageError(
            f"{source.path}: a video is not attacked as it is",
            hint="demagnify data prepare cuts the faces out of its frames",
        )
    return images.read_file(source.path)
