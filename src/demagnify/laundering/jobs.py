"""A photograph on its way through an attack, and the faces in it."""

from __future__ import annotations

from dataclasses import dataclass

from demagnify.core.errors import BadImageError
from demagnify.core.images import Pixels
from demagnify.data.photographs import Photograph
from demagnify.laundering.region import Region
from demagnify.laundering.sources import Source


@dataclass(slots=True, eq=False)
class PhotoFace:
    """A face in a photograph.

    Attributes:
        region: What of the photograph is attacked; None if it does not lie in it.
        label: 0 real, 1 fake, None if nobody knows.
        note: Why it is not attacked; empty if it is.
        attacked: Its pixels after the attack, once they are there.
    """

    region: Region | None
    label: int | None
    note: str = ""
    attacked: Pixels | None = None


@dataclass(slots=True, eq=False)
class Job:
    """A photograph that was read, with its faces.

    Attributes:
        source: Where it comes from.
        stamp: What `stamp_of` said of the file.
        digest: What its content is known by.
        photo: The photograph.
        faces: Every face; for a labelled photograph with boxes one for each record, in order.
        note: Why nothing in it is attacked; empty if something is to be.
    """

    source: Source
    stamp: str
    digest: str
    photo: Photograph
    faces: list[PhotoFace]
    note: str = ""

    def wanted(self) -> list[tuple[PhotoFace, Region]]:
        """Returns the faces that the attack has not had yet, with their regions."""
        return [
            (face, face.region)
            for face in self.faces
            if face.region is not None and not face.note and face.attacked is None
        ]


@dataclass(frozen=True, slots=True)
class Ended:
    """A file that needs nothing more.

    Attributes:
        source: Where it comes from.
        error: Why there is no copy of it; None if there is one.
    """

    source: Source
    error: BadImageError | None = None
