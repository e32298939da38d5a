"""The actions worth trying, with their settings; docs/actions.md says what each costs."""

from __future__ import annotations

from typing import Final

CATALOGUE: Final = (
    "leave",
    "mask-center",
    "mask-eyes",
    "mask-nose",
    "mask-mouth",
    "down-up",
    "down-up-3",
    "down-up-4",
    "gaussian-blur-0.5",
    "gaussian-blur",
    "gaussian-blur-2",
    "median",
    "median-5",
    "bilateral",
    "jpeg-30",
    "jpeg-50",
    "jpeg",
    "jpeg-90",
    "bits-3",
    "bits-4",
    "bits",
    "unsharp",
    "unsharp-2",
    "noise-2",
    "noise",
    "zoom",
    "zoom-1.5",
    "flip",
    "grey",
    "low-pass",
    "low-pass-0.25",
    "residual",
    "shift-fake",
    "shift-real",
    "down-up+jpeg",
    "median+unsharp",
    "down-up+shift-fake",
)
"""Every registered action, those with settings at several of them, and some compositions."""
