"""The end of a photograph's way: faces pasted back, compared, encoded and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from demagnify.core.errors import BadImageError
from demagnify.core.files import write_bytes
from demagnify.core.images import Pixels
from demagnify.data.face_finding import put
from demagnify.laundering.config import FolderConfig
from demagnify.laundering.jobs import Ended, Job, PhotoFace
from demagnify.laundering.similarity import similarity
from demagnify.laundering.worklog import DoneFace, DonePhoto, WorkLog, request_of

FEATHER: Final = 1 / 12
"""Over which share of its side a feathered face fades into the photograph."""


class Finisher:
    """Finishes photographs and notes them as done; may be used from several threads.

    Args:
        config: How copies are written.
        output: The folder to write to.
        log: Where it is noted.
    """

    def __init__(self, config: FolderConfig, output: Path, log: WorkLog) -> None:
        self._config = config
        self._output = output
        self._log = log

    def __call__(self, job: Job) -> Ended:
        """Writes the copy of a photograph whose faces were all attacked.

        A face crop that could not be attacked is not written, since it must not stand among
        attacked ones, nor is a file of a format that cannot be written.
        """
        name = job.source.path
        if self._config.holds == "crops" and any(face.note for face in job.faces):
            return Ended(job.source, BadImageError(f"{name}: {job.faces[0].note}"))
        pixels = self._paste(job)
        try:
            data = job.photo.encode(pixels, save_as=self._config.save_as)
        except BadImageError as error:
            return Ended(job.source, BadImageError(f"{name}: {error.message}", hint=error.hint))
        write_bytes(self._output / job.source.target, data)
        faces = [_done(face, job.photo.pixels, pixels) for face in job.faces]
        self._log.add(
            DonePhoto(
                target=job.source.target,
                stamp=job.stamp,
                digest=job.digest,
                request=request_of(job.source),
                note=job.note,
            ),
            faces,
        )
        return Ended(job.source)

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
            feather = 0 if self._config.paste == "hard" else round(FEATHER * region.width)
            put(pixels, patch, region.x, region.y, feather=feather)
        return pixels


def _done(face: PhotoFace, original: Pixels, published: Pixels) -> DoneFace:
    if face.attacked is None or face.region is None:
        return DoneFace(face.region, face.label, face.note, None, None)
    psnr, ssim = similarity(face.region.of(original), face.region.of(published))
    return DoneFace(face.region, face.label, "", psnr, ssim)
