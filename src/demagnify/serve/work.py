"""From files of a request to the document of a case."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self, cast

from fastapi import UploadFile

from demagnify.core import images
from demagnify.core.errors import BadImageError, DemagnifyError
from demagnify.core.files import private_folder, sha256, sweep_private
from demagnify.core.images import Pixels
from demagnify.core.printing import printable
from demagnify.data import videos
from demagnify.data.face_finding import Face, FaceFinder
from demagnify.inference import ClipVerdict, Photograph, PhotoVerdict, Pipeline
from demagnify.inference.case import CaseDocument, InputRecord, make_document, record_input
from demagnify.inference.video import is_clip
from demagnify.serve.batching import BatchingRuntime
from demagnify.serve.config import ServiceConfig
from demagnify.serve.metrics import Metrics

_FRAMES_PER_SECOND: Final = 240
_CHUNK: Final = 2**20


class StoppingError(DemagnifyError):
    """The service ends, and answers no more."""


class Upload(NamedTuple):
    """A file of a request.

    Attributes:
        name: The client's name for it: a text in the answer, never a path.
        file: Its content.
        video: Whether the client calls it a video.
    """

    name: str
    file: BinaryIO
    video: bool

    @classmethod
    def of(cls, number: int, sent: UploadFile) -> Self:
        """Takes the file at a place of a form, from 1."""
        name = printable(sent.filename or f"file-{number}")
        video = is_clip(Path(name)) or (sent.content_type or "").startswith("video/")
        return cls(name, sent.file, video)


class Limits(NamedTuple):
    """What photographs and clips may have at most; see `ServiceConfig`."""

    pixels: int
    faces: int
    seconds: float

    def check_frame(self, frame: videos.Frame) -> None:
        """Raises BadImageError at a frame that is too large or too late in its clip."""
        if frame.width * frame.height > self.pixels:
            raise BadImageError(
                f"frames of {frame.width}x{frame.height} pixels are more than the limit of "
                f"{self.pixels}"
            )
        last = float(frame.seconds)
        if last > self.seconds or frame.number > self.seconds * _FRAMES_PER_SECOND:
            raise BadImageError(f"the clip is longer than the limit of {self.seconds:g} seconds")


class LimitedFinder:
    """A face finder that refuses photographs with too many faces.

    Args:
        finder: Finds the faces.
        most: How many there may be.
    """

    def __init__(self, finder: FaceFinder, most: int) -> None:
        self._finder, self._most = finder, most

    def find(self, pixels: Pixels) -> list[Face]:
        """Returns the faces, the largest first.

        Raises:
            BadImageError: If there are too many.
        """
        faces = self._finder.find(pixels)
        if len(faces) > self._most:
            raise BadImageError(f"{len(faces)} faces are more than the limit of {self._most}")
        return faces


class Work:
    """Classifies the files of requests, many at once.

    Args:
        config: The settings.
        metrics: Counts files, faces and batches.
        pipeline: What classifies; loaded if None.

    Raises:
        BadArtifactError: If the defence cannot be loaded.
        BadConfigError: If it needs torch and torch is not installed.
    """

    def __init__(
        self, config: ServiceConfig, metrics: Metrics, pipeline: Pipeline | None = None
    ) -> None:
        self._config, self._metrics = config, metrics
        self._limits = Limits(config.max_pixels, config.max_faces, config.max_seconds)
        pipeline = pipeline or Pipeline.load(config.detection)
        self.model = BatchingRuntime(pipeline.runtime, on_batch=metrics.batch.observe)
        finder = LimitedFinder(pipeline.finder, config.max_faces)
        self._pipeline = replace(pipeline, runtime=self.model, finder=cast("FaceFinder", finder))
        self._photographs = ThreadPoolExecutor(config.workers, "demagnify-photograph")
        self._clips = ThreadPoolExecutor(config.clip_workers, "demagnify-clip")
        self._can_read_clips = bool(util.find_spec("av") and util.find_spec("scenedetect"))
        self._stopping = threading.Event()
        sweep_private()  # clips of a service that was killed

    async def classify(self, uploads: Sequence[Upload]) -> CaseDocument:
        """Returns the case of the files of one request.

        Raises:
            BadImageError: If none of them could be read.
        """
        loop = asyncio.get_running_loop()
        tasks = [
            loop.run_in_executor(pool, work, number, one)
            for number, one in enumerate(uploads, start=1)
            for pool, work in [
                (self._clips, self._clip) if one.video else (self._photographs, self._photograph)
            ]
        ]
        # All end before the files are closed, be there an error or not.
        records = await asyncio.gather(*tasks, return_exceptions=True)
        found = [record for record in records if not isinstance(record, BaseException)]
        for record in records:
            if isinstance(record, BaseException):
                raise record
        if not any(read for _, read in found):
            first = found[0][0]
            raise BadImageError(f"{first.file}: {first.problem}")
        inputs = [record for record, _ in found]
        return make_document(self._pipeline, inputs, command="POST /v1/detect")

    def close(self) -> None:
        """Ends the threads; a clip that is read is given up."""
        self._stopping.set()
        for pool in (self._photographs, self._clips):
            pool.shutdown(cancel_futures=True)
        self.model.close()

    def _photograph(self, number: int, upload: Upload) -> tuple[InputRecord, bool]:
        path, content = Path(upload.name), upload.file.read()
        try:
            pixels = images.decode(content, name=str(path), max_pixels=self._limits.pixels)
            photo = Photograph(path, pixels, content)
            (verdict,) = self._pipeline.photographs([photo])
        except BadImageError as error:
            problem = str(error).removeprefix(f"{path}: ")
            verdict = PhotoVerdict(path=path, problem=problem)
        digest = hashlib.sha256(content).hexdigest()
        self._count("photograph", [face.verdict for face in verdict.faces])
        record = record_input(verdict, number, sha256=digest, size=len(content))
        return record, verdict.pixels is not None

    def _clip(self, number: int, upload: Upload) -> tuple[InputRecord, bool]:
        with private_folder() as folder:
            path = folder / "clip"  # a name of our own
            with path.open("wb") as copy:
                shutil.copyfileobj(upload.file, copy, _CHUNK)
            verdict = replace(self._classify_clip(path), path=Path(upload.name))
            self._count("clip", [track.verdict for track in verdict.tracks])
            digest, size = sha256(path), path.stat().st_size
        return record_input(verdict, number, sha256=digest, size=size), verdict.frames > 0

    def _classify_clip(self, path: Path) -> ClipVerdict:
        if not self._can_read_clips:
            return ClipVerdict(
                path=path,
                problem='clips are not read here (the server needs the extra "video")',
            )
        try:
            with videos.opened(path) as video:
                if video.rate and video.stated_frames / video.rate > self._limits.seconds:
                    limit = f"the limit of {self._limits.seconds:g} seconds"
                    return ClipVerdict(path=path, problem=f"the clip is longer than {limit}")
        except BadImageError as error:
            return ClipVerdict(path=path, problem=str(error).removeprefix(f"{path}: "))
        return self._pipeline.clip(path, on_frame=self._check_frame)

    def _check_frame(self, frame: videos.Frame) -> None:
        if self._stopping.is_set():
            raise StoppingError("the service is stopping")
        self._limits.check_frame(frame)

    def _count(self, kind: str, verdicts: Sequence[str]) -> None:
        outcome = "classified" if verdicts else "no face or not read"
        self._metrics.files.labels(kind, outcome).inc()
        for name in verdicts:
            self._metrics.faces.labels(name).inc()
