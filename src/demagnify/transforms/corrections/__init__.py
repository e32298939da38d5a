"""Corrective transformations: what an agent can do to an image before the detector judges it."""

from __future__ import annotations

from demagnify.transforms.corrections import (
    blur,
    color,
    frequency,
    geometry,
    jpeg,
    leave,
    mask,
    noise,
    resize,
    sharpen,
    shift,
)
from demagnify.transforms.corrections.action_set import ActionSet
from demagnify.transforms.corrections.base import ACTIONS, LEAVE, Action
from demagnify.transforms.corrections.catalogue import CATALOGUE
from demagnify.transforms.corrections.chain import Chain, create

__all__ = [
    "ACTIONS",
    "CATALOGUE",
    "LEAVE",
    "Action",
    "ActionSet",
    "Chain",
    "blur",
    "color",
    "create",
    "frequency",
    "geometry",
    "jpeg",
    "leave",
    "mask",
    "names",
    "noise",
    "resize",
    "sharpen",
    "shift",
]


def names() -> list[str]:
    """Returns the names of all registered actions; "leave" is the first."""
    return sorted(ACTIONS, key=lambda name: (name != LEAVE, name))
