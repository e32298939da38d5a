"""Named lists of transforms by their use; `demagnify.transforms.create` makes each of them."""

from __future__ import annotations

from typing import Final

ATTACKS: Final = (
    "identity",
    "bicubic-x2",
    "bicubic-x3",
    "bicubic-x4",
    "jpeg-90",
    "jpeg-75",
    "jpeg-50",
    "filters",
    "realesr-compact-x2",
    "realesr-compact-x3",
    "realesr-compact-x4",
    "realesrgan-x4plus",
    "srresnet-x4",
    "srgan-x4",
    "dat-light-x2",
    "dat-light-x3",
    "dat-light-x4",
    "edsr-liif-x2",
    "edsr-liif-x3",
    "edsr-liif-x4",
    "srmd-x2",
    "srmd-x3",
    "srmd-x4",
    "waifu2x-photo-x2",
)
"""The attacks that `demagnify attack --list` shows.

Others are made of the same words: `bicubic-x1.5`, `jpeg-85`, `filters-painted` (one degradation).
"""

CORRECTIONS: Final = (
    "identity",
    "mask-center",
    "mask-eyes",
    "mask-nose",
    "mask-mouth",
    "down-up",
    "down-up-3",
    "down-up-4",
    "native-down-up-2",
    "native-down-up-3",
    "native-down-up",
    "gaussian-blur-0.5",
    "gaussian-blur",
    "gaussian-blur-2",
    "median",
    "median-5",
    "bilateral",
    "jpeg-30",
    "jpeg-50",
    "jpeg-75",
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
    "down-up+jpeg-75",
    "median+unsharp",
)
"""Every registered correction, those with settings at several of them, and some chains.

docs/corrections.md lists their costs.
"""

DEGRADATIONS: Final = (
    "resampled",
    "sharpened",
    "back-projected",
    "painted",
    "shocked",
    "textured",
    "randomly-convolved",
    "compounded",
    "blurred",
    "crisp",
    "noisy",
    "compressed",
)
"""Filters drawn at random that imitate traces of super-resolution; `filters` draws one of these."""
