"""Corrective transformations: what an agent can do to an image before the detector judges it."""

from __future__ import annotations

from demagnify.actions import filters, jpeg, leave, mask
from demagnify.actions.base import ACTIONS, LEAVE, Action, ActionSet

__all__ = ["ACTIONS", "LEAVE", "Action", "ActionSet", "filters", "jpeg", "leave", "mask", "names"]


def names() -> list[str]:
    """Returns the names of all registered actions; "leave" is the first."""
    return sorted(ACTIONS, key=lambda name: (name != LEAVE, name))
