"""What a corrective transformation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, final

import torch

from demagnify.core.errors import ImageContractError
from demagnify.core.images import check_batch
from demagnify.core.registry import Registry
from demagnify.core.specs import Named

LEAVE: Final = "leave"

ACTIONS: Final[Registry[type[Action]]] = Registry("action")


@dataclass(frozen=True)
class Action(Named, ABC):
    """A corrective transformation: image batch to image batch of the same shape.

    Subclasses are frozen dataclasses whose fields are their settings (all with defaults), so that
    `repr` tells two actions with different results apart; they implement `apply` and need not
    check anything. The same image gives the same result in any batch.
    """

    @property
    def leaves_pixels(self) -> bool:
        """Whether the image stays as it is, so that the detector need not be asked again."""
        return False

    @property
    def shift(self) -> float:
        """What is added to the detector's logit after this action, in logits."""
        return 0.0

    @final
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Applies the action.

        Args:
            images: Image batch, uint8 RGB (N, 3, H, W); it is not changed.

        Returns:
            An image batch of the same shape on the same device.

        Raises:
            ImageContractError: If `images` is not an image batch, or `apply` broke the contract.
        """
        check_batch(images)
        if not len(images):
            return images
        result = check_batch(self.apply(images), name=f"what {self.name!r} returned")
        if result.shape != images.shape:
            raise ImageContractError(
                f"the action {self.name!r} turned {tuple(images.shape)} into {tuple(result.shape)}",
                hint="an action keeps the shape",
            )
        return result

    @abstractmethod
    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the transformed copy of a checked, non-empty image batch."""
