"""Photographs and clips in, verdicts out."""

from __future__ import annotations

from demagnify.inference.detect import DetectionConfig, detect
from demagnify.inference.drawing import draw_verdict
from demagnify.inference.enhancement import (
    Enhancement,
    EnhancementRecognizer,
    recognize_enhancement,
)
from demagnify.inference.explanation import Explanation, draw_heat, explain
from demagnify.inference.export import export
from demagnify.inference.pipeline import FaceVerdict, Photograph, PhotoVerdict, Pipeline
from demagnify.inference.runtime import (
    Decided,
    OnnxRuntime,
    Runtime,
    TorchRuntime,
    load_runtime,
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
    "Decided",
    "DetectionConfig",
    "Enhancement",
    "EnhancementRecognizer",
    "Explanation",
    "FaceVerdict",
    "FrameVerdict",
    "OnnxRuntime",
    "PhotoVerdict",
    "Photograph",
    "Pipeline",
    "Runtime",
    "ShotVerdict",
    "TorchRuntime",
    "TrackVerdict",
    "detect",
    "draw_heat",
    "draw_timeline",
    "draw_verdict",
    "explain",
    "export",
    "load_runtime",
    "recognize_enhancement",
]
