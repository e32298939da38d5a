"""Where one shot ends and the next begins: PySceneDetect's ContentDetector, frame by frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np

from demagnify.core.extras import need
from demagnify.data.videos import Frame

SHORTEST: Final = 0.2
"""Seconds of the shortest shot: a flash of light is none."""
_SIDE: Final = 160
_MICROSECONDS: Final = Fraction(1, 1_000_000)


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

    def is_cut(self, frame: Frame) -> bool:
        """Whether a shot begins with this frame; the clip's first frame is no cut."""
        from scenedetect.common import FrameTimecode, Timecode

        self._first = frame.seconds if self._first is None else self._first
        since = max(Fraction(0), frame.seconds - self._first)
        time = Timecode(pts=round(since / _MICROSECONDS), time_base=_MICROSECONDS)
        bgr = np.ascontiguousarray(frame.pixels(_SIDE)[..., ::-1])
        return bool(self._detector.process_frame(FrameTimecode(time, fps=self._rate), bgr))
