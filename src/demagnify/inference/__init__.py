"""Photographs in, verdicts out."""

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

__all__ = [
    "DetectionConfig",
    "Enhancement",
    "EnhancementRecognizer",
    "FaceVerdict",
    "PhotoVerdict",
    "detect",
    "draw_verdict",
    "recognize_enhancement",
]
