"""Photographs in, verdicts out."""

from __future__ import annotations

from demagnify.inference.detect import (
    DetectionConfig,
    FaceVerdict,
    PhotoVerdict,
    detect,
    draw_verdict,
)

__all__ = ["DetectionConfig", "FaceVerdict", "PhotoVerdict", "detect", "draw_verdict"]
