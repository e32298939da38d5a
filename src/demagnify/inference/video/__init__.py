"""Clips in, verdicts out: shots, faces followed through them, and a picture of the timeline."""

from __future__ import annotations

from demagnify.inference.video.clip import ClipOptions, classify_clip, is_clip
from demagnify.inference.video.timeline import draw_timeline
from demagnify.inference.video.verdicts import (
    ClipVerdict,
    FrameVerdict,
    ShotVerdict,
    TrackVerdict,
)

__all__ = [
    "ClipOptions",
    "ClipVerdict",
    "FrameVerdict",
    "ShotVerdict",
    "TrackVerdict",
    "classify_clip",
    "draw_timeline",
    "is_clip",
]
