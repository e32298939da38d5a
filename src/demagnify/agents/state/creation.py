"""States by spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demagnify.agents.state.base import STATES, StateEncoder
from demagnify.agents.state.joined import Joined
from demagnify.core import specs
from demagnify.core.errors import BadConfigError


def create(spec: str, settings: Mapping[str, Any] | None = None) -> StateEncoder:
    """Makes a state encoder; one that needs a detector is yet to be bound to it.

    Args:
        spec: A registered name, with settings ("thumbnail-16") or without, or several of them
            joined by "+" ("spectrum+logit").
        settings: Further settings by name, for a single state.

    Raises:
        UnknownNameError: If a name is not registered.
        BadConfigError: If a setting is unknown or out of its range.
    """
    if specs.JOIN not in spec:
        return specs.make(STATES, spec, settings)
    names = [part.strip() for part in spec.split(specs.JOIN)]
    if settings or "" in names or len(set(names)) < len(names):
        raise BadConfigError(
            f"the state {spec!r} cannot be put together",
            hint="join different states with +, each with its own settings",
        )
    return Joined(tuple(specs.make(STATES, name) for name in names))
