"""Actions made of several, and actions by spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from demagnify.core import specs
from demagnify.core.errors import BadConfigError
from demagnify.transforms.corrections.base import ACTIONS, LEAVE, Action


@dataclass(frozen=True)
class Chain(Action):
    """Several actions, one after the other: "down-up+jpeg-50".

    Attributes:
        steps: The actions in their order, two or more.
    """

    family = "chain"
    steps: tuple[Action, ...] = ()

    @property
    def name(self) -> str:
        """The names of the steps, joined by "+"."""
        return specs.JOIN.join(step.name for step in self.steps)

    @property
    def spec(self) -> str:
        """The specs of the steps, joined by "+"."""
        return specs.JOIN.join(step.spec for step in self.steps)

    @property
    def leaves_pixels(self) -> bool:
        """Whether every step does."""
        return all(step.leaves_pixels for step in self.steps)

    @property
    def shift(self) -> float:
        """The sum over the steps."""
        return sum(step.shift for step in self.steps)

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images after the last step."""
        for step in self.steps:
            images = step(images)
        return images


def create(spec: str, settings: Mapping[str, Any] | None = None) -> Action:
    """Makes an action.

    Args:
        spec: A registered name, with settings ("jpeg-50") or without ("jpeg"), or several of
            them joined by "+", which are applied from left to right.
        settings: Further settings by name, for a single action.

    Raises:
        UnknownNameError: If a name is not registered.
        BadConfigError: If a setting is unknown or out of its range, or "leave" is a step.
    """
    if specs.JOIN not in spec:
        return specs.make(ACTIONS, spec, settings)
    parts = [part.strip() for part in spec.split(specs.JOIN)]
    if settings or "" in parts or LEAVE in parts:
        raise BadConfigError(
            f"the action {spec!r} cannot be put together",
            hint="join actions other than leave with +, each with its own settings",
        )
    return Chain(tuple(specs.make(ACTIONS, part) for part in parts))
