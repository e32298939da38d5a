"""Defend deepfake detectors against super-resolution laundering (adversarial magnification)."""

from __future__ import annotations

__version__ = "0.1.0"
