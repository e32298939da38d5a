"""The beginning of a photograph's way: read, decoded, its faces found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.face_finding import Face, square_around
from demagnify.data.photographs import Photograph
from demagnify.data.records import Box, Record
from demagnify.laundering.config import FolderConfig
from demagnify.laundering.jobs import Ended, Job, PhotoFace
from demagnify.laundering.region import Region
from demagnify.laundering.sources import Source
from demagnify.laundering.worklog import WorkLog, stamp_of

Find = Callable[[Pixels], list[Face]]

NO_FACE: Final = "no face was found"
NOT_CHOSEN: Final = "not chosen"


class JobReader:
    """Makes jobs of files that are not done; may be used from several threads.

    Args:
        config: What is attacked.
        find: Finds the faces of photographs whose boxes the manifest does not name.
        log: What is done.
    """

    def __init__(self, config: FolderConfig, find: Find, log: WorkLog) -> None:
        self._config = config
        self._find = find
        self._log = log

    def __call__(self, source: Source) -> Job | Ended:
        """Reads a file, unless its content was attacked before with the same settings."""
        done = self._log.find(source)
        stamp = stamp_of(source.path)
        if done is not None and done.stamp == stamp:
            return Ended(source)
        try:
            data = _read(source)
            digest = hashlib.sha256(data).hexdigest()
            if done is not None and done.digest == digest:
                self._log.touch(done.target, stamp)
                return Ended(source)
            photo = Photograph.decode(data, name=str(source.path))
        except BadImageError as error:
            return Ended(source, error)
        faces, note = self._faces(source, photo.pixels)
        return Job(source, stamp, digest, photo, faces, note)

    def _faces(self, source: Source, pixels: Pixels) -> tuple[list[PhotoFace], str]:
        """Returns the faces in a photograph, and why none of them is attacked, if so."""
        boxed = [(record, record.box) for record in source.records if record.box is not None]
        if boxed and self._config.holds == "photos":
            faces = [self._boxed(record, box, pixels.shape) for record, box in boxed]
            return faces, "" if any(not face.note for face in faces) else faces[0].note
        labels = sorted(source.labels)
        if labels and not any(self._config.chooses(label) for label in labels):
            return [], NOT_CHOSEN
        label = labels[0] if len(labels) == 1 else None
        if self._config.holds == "crops":
            height, width = pixels.shape[:2]
            return [PhotoFace(Region(0, 0, width, height), label)], ""
        found = [
            PhotoFace(self._region(face.box, pixels.shape), label) for face in self._find(pixels)
        ]
        return found, "" if found else NO_FACE

    def _boxed(self, record: Record, box: Box, shape: tuple[int, ...]) -> PhotoFace:
        if not self._config.chooses(record.label):
            return PhotoFace(self._region(box, shape), record.label, NOT_CHOSEN)
        if not _overlaps(box, shape):
            return PhotoFace(None, record.label, "its box lies outside of the photograph")
        return PhotoFace(self._region(box, shape), record.label)

    def _region(self, box: tuple[float, float, float, float], shape: tuple[int, ...]) -> Region:
        x, y, side = square_around(box, shape, margin=self._config.margin)
        return Region(x, y, side, side)


def _overlaps(box: Box, shape: tuple[int, ...]) -> bool:
    height, width = shape[:2]
    return box.x < width and box.y < height and box.x + box.width > 0 and box.y + box.height > 0


def _read(source: Source) -> bytes:
    if any(record.frame is not None for record in source.records):
        raise BadImageError(
            f"{source.path}: a video is not attacked as it is", hint="give its frames as images"
        )
    try:
        return source.path.read_bytes()
    except FileNotFoundError as error:
        raise BadImageError(f"{source.path}: there is no such file") from error
    except OSError as error:
        reason = error.strerror or error
        raise BadImageError(f"{source.path}: cannot be read: {reason}") from error
