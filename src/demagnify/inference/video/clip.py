"""One clip in, its verdicts out: read once from its first to its last frame, in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from pydantic import Field

from demagnify.core import images
from demagnify.core.errors import BadImageError
from demagnify.core.extras import need
from demagnify.core.images import Pixels
from demagnify.core.settings import FileOptions
from demagnify.data import videos
from demagnify.data.face_finding import Face, FaceFinder, crop
from demagnify.data.records import is_video
from demagnify.inference.calibration import Verdict
from demagnify.inference.runtime import Runtime, decide_each, score_of, surplus_of
from demagnify.inference.video.tracks import PATIENCE, Track, Tracker
from demagnify.inference.video.verdicts import (
    ClipVerdict,
    FrameVerdict,
    ShotVerdict,
    TrackVerdict,
)

SHORTEST: Final = 0.2
"""Seconds of the shortest shot: a flash of light is none."""
_SIDE: Final = 160
_MICROSECONDS: Final = Fraction(1, 1_000_000)
LEAST_FRAMES: Final = 3
"""A face that is seen in fewer frames may be none, or not the same one."""
FACES_AT_ONCE: Final = 4
"""More are no faster on a processor, and take 40 MB each."""
_PORTRAIT: Final = 96
_PICTURE: Final = 160
_SAME: Final = Fraction(1, 500)
"""Seconds: what times rounded to milliseconds differ by."""
_MANY_GAPS: Final = 1000


class ClipOptions(FileOptions):
    """How clips are looked through."""

    frames_per_second: float = Field(
        default=5.0,
        gt=0,
        le=240,
        description="In clips: in how many frames of each second faces are looked for.",
    )
    frames_per_face: int = Field(
        default=32,
        ge=3,
        le=1024,
        description="In clips: how many frames of each face are classified, spread evenly.",
    )
    agreement: float = Field(
        default=0.7,
        ge=0.5,
        le=1,
        description="In clips: a face is unsure where a smaller share of its frames is on the "
        "side of their mean.",
    )


class _Sighting(NamedTuple):
    """A face in one frame, with what the runtime will get."""

    number: int
    seconds: float
    face: Face
    crop: Pixels


class _Shot(NamedTuple):
    number: int
    start: float
    picture: Pixels


def is_clip(path: Path) -> bool:
    """Whether a file is a clip, by its name."""
    return is_video(path)


def classify_clip(
    path: Path,
    options: ClipOptions,
    runtime: Runtime,
    finder: FaceFinder,
    *,
    on_frame: Callable[[videos.Frame], None] | None = None,
) -> ClipVerdict:
    """Classifies every face in a clip, shot by shot.

    Each frame is decoded and compared with the one before it, to find cuts; faces are looked for
    in `frames_per_second` of them and followed through their shot. When a face is gone, or its
    shot ends, `frames_per_face` of its frames are classified, and its logit is their mean. Memory
    does not grow with the length of the clip, only with its number of faces and shots.

    Args:
        path: The file.
        options: How it is looked through.
        runtime: Classifies the face crops.
        finder: Finds the faces.
        on_frame: Gets each decoded frame first; an error that it raises ends the reading.

    Returns:
        The verdicts; `problem` is set if the clip, or a part of it, could not be read, or holds
        no face.

    Raises:
        BadConfigError: If PyAV or PySceneDetect is not installed, or a logit is no finite number.
    """
    try:
        with videos.opened(path) as video:
            return _Reading(video, options, runtime, finder).result(on_frame)
    except BadImageError as error:
        return ClipVerdict(path=path, problem=str(error).removeprefix(f"{path}: "))


class CutFinder:
    """Tells the first frame of each shot from the others; sees every frame, in order.

    Args:
        rate: The clip's frames per second, on average.

    Raises:
        BadConfigError: If PySceneDetect is not installed.
    """

    def __init__(self, rate: Fraction) -> None:
        need("video", "scenedetect", what="shots need")
        from scenedetect.detector import FlashFilter
        from scenedetect.detectors import ContentDetector

        self._detector = ContentDetector(
            min_scene_len=SHORTEST, filter_mode=FlashFilter.Mode.SUPPRESS
        )
        self._rate = rate or Fraction(25)
        self._first: Fraction | None = None

    def is_cut(self, frame: videos.Frame) -> bool:
        """Whether a shot begins with this frame; the clip's first frame is no cut."""
        from scenedetect.common import FrameTimecode, Timecode

        self._first = frame.seconds if self._first is None else self._first
        since = max(Fraction(0), frame.seconds - self._first)
        time = Timecode(pts=round(since / _MICROSECONDS), time_base=_MICROSECONDS)
        bgr = np.ascontiguousarray(frame.pixels(_SIDE)[..., ::-1])
        return bool(self._detector.process_frame(FrameTimecode(time, fps=self._rate), bgr))


class _Reading:
    """The state of reading one clip."""

    def __init__(
        self,
        video: videos.Video,
        options: ClipOptions,
        runtime: Runtime,
        finder: FaceFinder,
    ) -> None:
        self._video, self._options = video, options
        self._runtime, self._finder = runtime, finder
        self._rate = Fraction(options.frames_per_second).limit_denominator(10_000)
        patience = max(PATIENCE, 2.5 / options.frames_per_second)
        self._tracker: Tracker[_Sighting] = Tracker(options.frames_per_face, patience)
        self._shots: list[ShotVerdict] = []
        self._tracks: list[TrackVerdict] = []
        self._ended: list[TrackVerdict] = []  # of the shot that is read
        self._examined = 0

    def result(self, on_frame: Callable[[videos.Frame], None] | None = None) -> ClipVerdict:
        """Reads the clip to its end."""
        first: videos.Frame | None = None
        shot: _Shot | None = None
        due = last = Fraction(0)
        gaps: set[Fraction] = set()
        cuts = CutFinder(self._video.rate)
        for frame in self._video.frames():
            if on_frame is not None:
                on_frame(frame)
            cut = cuts.is_cut(frame)
            if first is None:
                first, due = frame, frame.seconds
            elif len(gaps) < _MANY_GAPS:
                gaps.add(frame.seconds - last)
            last = frame.seconds
            if shot is None or cut:
                if shot is not None:
                    self._close(shot, float(frame.seconds))
                number = len(self._shots) + 1
                shot = _Shot(number, float(frame.seconds), frame.pixels(_PICTURE))
            if frame.seconds >= due or cut:
                self._examine(frame, shot)
                since = (frame.seconds - first.seconds) * self._rate
                due = first.seconds + (math.floor(since) + 1) / self._rate
        if first is None or shot is None:
            raise BadImageError("no frame of the video can be decoded")
        self._close(shot, float(self._video.end))
        return self._verdict(first, uneven=_is_uneven(gaps))

    def _examine(self, frame: videos.Frame, shot: _Shot) -> None:
        self._examined += 1
        seconds = float(frame.seconds)
        pixels = frame.pixels()
        faces = self._finder.find(pixels)
        for track, face in zip(self._tracker.step(faces, seconds), faces, strict=True):
            if track.kept.wants():
                cut = crop(pixels, face, size=self._runtime.input_size)
                track.kept.add(_Sighting(frame.number, seconds, face, cut))
            else:
                track.kept.add(None)
        self._classify(self._tracker.ended(seconds), shot)

    def _close(self, shot: _Shot, end: float) -> None:
        """Ends a shot: its faces are not followed into the next one."""
        self._classify(self._tracker.ended(), shot)
        ended = sorted(self._ended, key=lambda track: (track.start, track.frames[0].box))
        count = len(self._tracks) + 1
        inside = [replace(track, number=place) for place, track in enumerate(ended, start=count)]
        self._tracks += inside
        self._ended = []
        verdict: Verdict | None = None
        for name in ("real", "unsure", "fake"):
            if any(track.verdict == name for track in inside):
                verdict = name
        logits = [track.logit for track in inside if track.verdict == verdict]
        self._shots.append(
            ShotVerdict(
                number=shot.number,
                start=shot.start,
                end=end,
                verdict=verdict,
                logit=max(logits, default=None),
                tracks=tuple(track.number for track in inside),
                picture=shot.picture,
            )
        )

    def _classify(self, tracks: Iterator[Track[_Sighting]], shot: _Shot) -> None:
        for track in tracks:
            kept = track.kept.chosen()
            frames = list(_decide(kept, self._runtime))
            logit = math.fsum(frame.logit for frame in frames) / len(frames)
            score = score_of(surplus_of(logit, self._runtime))
            fake = score > 0.5
            agreement = sum((one.score > 0.5) == fake for one in frames) / len(frames)
            reason = self._doubt(track, frames, agreement)
            middle = min(kept, key=lambda one: abs(one.seconds - (track.start + track.end) / 2))
            self._ended.append(
                TrackVerdict(
                    number=0,  # as yet
                    shot=shot.number,
                    start=track.start,
                    end=track.end,
                    found=track.kept.seen,
                    frames=tuple(frames),
                    logit=logit,
                    score=score,
                    agreement=agreement,
                    verdict="unsure" if reason else "fake" if fake else "real",
                    reason=reason,
                    portrait=images.fit(middle.crop, min(_PORTRAIT, len(middle.crop))),
                )
            )

    def _doubt(self, track: Track[_Sighting], frames: list[FrameVerdict], agreement: float) -> str:
        """Returns why there is no verdict on a face; "" if there is one."""
        if track.kept.seen < LEAST_FRAMES:
            return f"the face is seen in fewer than {LEAST_FRAMES} of the examined frames"
        if 2 * sum(frame.abstained for frame in frames) > len(frames):
            return "the defence abstains on most frames"
        if agreement < self._options.agreement:
            return f"only {agreement:.0%} of the frames agree with their mean"
        return ""

    def _verdict(self, first: videos.Frame, *, uneven: bool) -> ClipVerdict:
        missing = self._video.missing()
        problem = f"{missing}; what could be read is classified" if missing else None
        if not self._tracks:
            problem = "; ".join(filter(None, ["no face was found", missing]))
        start = float(first.seconds)
        return ClipVerdict(
            path=self._video.path,
            shots=tuple(self._shots),
            tracks=tuple(self._tracks),
            problem=problem,
            start=start,
            duration=float(self._video.end) - start,
            width=first.width,
            height=first.height,
            frames=self._video.count,
            examined=self._examined,
            frames_per_second=self._options.frames_per_second,
            uneven=uneven,
        )


def _decide(kept: list[_Sighting], runtime: Runtime) -> Iterator[FrameVerdict]:
    """Yields what the runtime says of each crop."""
    found = decide_each(runtime, (one.crop for one in kept), at_once=FACES_AT_ONCE)
    for one, decision in zip(kept, found, strict=True):
        yield FrameVerdict(
            number=one.number,
            seconds=one.seconds,
            box=one.face.box,
            found_with=one.face.score,
            logit=decision.logit,
            score=score_of(surplus_of(decision.logit, runtime)),
            action=decision.action,
            abstained=decision.abstained,
        )


def _is_uneven(gaps: set[Fraction]) -> bool:
    """Whether the times between frames differ."""
    return bool(gaps) and max(gaps) - min(gaps) > _SAME
