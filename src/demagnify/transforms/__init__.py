"""Image to image: attacks, corrections and degradations under one contract.

The names load on first use, so that the lists of names cost no import of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

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

_MODULES: Final = {
    "TransformSet": "transform_set",
    "ATTACKS": "catalogue",
    "CORRECTIONS": "catalogue",
    "DEGRADATIONS": "catalogue",
    "SuperResolution": "super_resolution.attack",
    "create_attack": "super_resolution.attack",
    "from_callable": "super_resolution.attack",
}
"""The module of each name; `base` where none is given."""


def __getattr__(name: str) -> Any:  # noqa: ANN401  module attributes are anything
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'base')}")
    return getattr(module, name)
