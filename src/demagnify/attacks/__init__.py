"""Super-resolution attacks, the controls that they are compared with, and attacked image sets."""

from __future__ import annotations

from demagnify.attacks.registry import create, names

__all__ = ["create", "names"]
