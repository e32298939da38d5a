"""What a state encoder is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self, final

import torch

from demagnify.core.errors import BadConfigError
from demagnify.core.images import check_batch
from demagnify.core.registry import Registry
from demagnify.core.specs import Named

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike

STATES: Final[Registry[type[StateEncoder]]] = Registry("state")

Need = Literal["nothing", "logit", "embedding"]
"""What a state needs to know from the detector about an image as it came."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the detector says of N images as they came: one pass.

    Attributes:
        logits: float32 (N,).
        embedding: float32 (N, E), what its last layer saw; None if nobody asked.
    """

    logits: torch.Tensor
    embedding: torch.Tensor | None = None


@dataclass(frozen=True)
class StateEncoder(Named, ABC):
    """Turns images into what the agent sees: float32 (N, S).

    Subclasses are frozen dataclasses of their settings. Those that need the detector's opinion
    are bound to one; the opinion costs one pass, and who has it already hands it over.
    """

    @property
    def low(self) -> float:
        """No number of a state is below it."""
        return -math.inf

    @property
    def high(self) -> float:
        """No number of a state is above it."""
        return math.inf

    @property
    def needs(self) -> Need:
        """What it needs to know from the detector."""
        return "nothing"

    def bind(self, detector: DetectorLike) -> Self:  # noqa: ARG002
        """Returns this encoder with a detector to ask; itself if it needs none.

        Args:
            detector: Who is asked about images whose opinion is not handed over.

        Raises:
            BadConfigError: If the detector does not show what is needed.
        """
        return self

    def ask(self, images: torch.Tensor) -> Opinion | None:  # noqa: ARG002
        """Returns the detector's opinion of the images; None if it needs none."""
        return None

    @final
    def __call__(self, images: torch.Tensor, opinion: Opinion | None = None) -> torch.Tensor:
        """Returns the states of an image batch (N, 3, H, W), float32 (N, S) on its device.

        Args:
            images: uint8 RGB (N, 3, H, W).
            opinion: What the detector says of them, as `ask` gives it; None asks where needed.

        Raises:
            ImageContractError: If `images` is not an image batch.
            BadConfigError: If it needs a detector and is not bound to one.
        """
        if not len(check_batch(images)):
            return torch.empty(0, self.size(images.shape[-1]), device=images.device)
        return self.encode(images, opinion or self.ask(images))

    @abstractmethod
    def size(self, image_size: int) -> int:
        """Returns S, how many numbers a state has, for square images of `image_size` pixels."""

    @abstractmethod
    def encode(self, images: torch.Tensor, opinion: Opinion | None) -> torch.Tensor:
        """Returns the states of a checked, non-empty image batch.

        Args:
            images: uint8 RGB (N, 3, H, W).
            opinion: What the detector says of them; there if it is needed.
        """


def not_bound(name: str) -> BadConfigError:
    """Returns the error of a state whose detector is missing."""
    return BadConfigError(
        f"the state {name!r} needs a detector", hint="encoder.bind(detector) gives it one"
    )
