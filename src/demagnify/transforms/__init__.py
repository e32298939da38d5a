"""Image to image: attacks, corrections and degradations under one contract.

The names load on first use, so that the lists of names cost no import of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demagnify.core.imports import lazy

if TYPE_CHECKING:
    from demagnify.transforms.base import IDENTITY, TRANSFORMS, Chain, Identity, Transform, create
    from demagnify.transforms.base import names as names
    from demagnify.transforms.catalogue import ATTACKS, CORRECTIONS, DEGRADATIONS
    from demagnify.transforms.super_resolution.attack import (
        SuperResolution,
        create_attack,
        from_callable,
    )
    from demagnify.transforms.transform_set import TransformSet

__all__ = [
    "ATTACKS",
    "CORRECTIONS",
    "DEGRADATIONS",
    "IDENTITY",
    "TRANSFORMS",
    "Chain",
    "Identity",
    "SuperResolution",
    "Transform",
    "TransformSet",
    "create",
    "create_attack",
    "from_callable",
    "names",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "base": ("IDENTITY", "TRANSFORMS", "Chain", "Identity", "Transform", "create", "names"),
        "catalogue": ("ATTACKS", "CORRECTIONS", "DEGRADATIONS"),
        "super_resolution.attack": ("SuperResolution", "create_attack", "from_callable"),
        "transform_set": ("TransformSet",),
    },
)
