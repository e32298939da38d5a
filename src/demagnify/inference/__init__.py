"""Photographs and clips in, verdicts out."""

from __future__ import annotations

from demagnify.inference.detect import (
    DetectionConfig,
    FaceVerdict,
    PhotoVerdict,
    detect,
    draw_verdict,
)
from demagnify.inference.enhancement import (
    Enhancement,
    EnhancementRecognizer,
    recognize_enhancement,
)
from demagnify.inference.video import (
    ClipVerdict,
    FrameVerdict,
    ShotVerdict,
    TrackVerdict,
    draw_timeline,
)

__all__ = [
    "ClipVerdict",
    "DetectionConfig",
    "Enhancement",
    "EnhancementRecognizer",
    "FaceVerdict",
    "FrameVerdict",
    "PhotoVerdict",
    "ShotVerdict",
    "TrackVerdict",
    "detect",
    "draw_timeline",
    "draw_verdict",
    "recognize_enhancement",
]
