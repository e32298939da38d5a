"""Photographs in, verdicts out."""

from __future__ import annotations

from demagnify.inference.picture import draw_verdict
from demagnify.inference.verdicts import FaceVerdict, PhotoVerdict, detect

__all__ = ["FaceVerdict", "PhotoVerdict", "detect", "draw_verdict"]
