"""States put side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from demagnify.agents.state.base import Need, Opinion, StateEncoder
from demagnify.core.specs import JOIN

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike


@dataclass(frozen=True)
class Joined(StateEncoder):
    """Several states one after the other, "spectrum+logit"; the detector is asked once at most.

    Attributes:
        parts: The states, two or more.
    """

    family = "joined"
    parts: tuple[StateEncoder, ...] = ()

    @property
    def name(self) -> str:
        """The names of the parts, joined by "+"."""
        return JOIN.join(part.name for part in self.parts)

    @property
    def spec(self) -> str:
        """The specs of the parts, joined by "+"."""
        return JOIN.join(part.spec for part in self.parts)

    @property
    def low(self) -> float:
        """The lowest of the parts."""
        return min(part.low for part in self.parts)

    @property
    def high(self) -> float:
        """The highest of the parts."""
        return max(part.high for part in self.parts)

    @property
    def needs(self) -> Need:
        """What the most demanding part needs."""
        return self._asker.needs

    @property
    def _asker(self) -> StateEncoder:
        order: tuple[Need, ...] = ("nothing", "logit", "embedding")
        return max(self.parts, key=lambda part: order.index(part.needs))

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        return type(self)(tuple(part.bind(detector) for part in self.parts))

    def ask(self, images: torch.Tensor) -> Opinion | None:
        """Returns the detector's opinion of the images; None if no part needs one."""
        return self._asker.ask(images)

    def size(self, image_size: int) -> int:
        """Returns the sum over the parts."""
        return sum(part.size(image_size) for part in self.parts)

    def encode(self, images: torch.Tensor, opinion: Opinion | None) -> torch.Tensor:
        """Returns the parts' states side by side."""
        return torch.cat([part.encode(images, opinion) for part in self.parts], dim=1)
