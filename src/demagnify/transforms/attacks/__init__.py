"""Super-resolution attacks, the controls that they are compared with, and attacked image sets."""

from __future__ import annotations

from demagnify.transforms.attacks.creation import create
from demagnify.transforms.attacks.registry import names

__all__ = ["create", "names"]
