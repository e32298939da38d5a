"""What an attack is: an image batch in, an image batch of the same shape out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch

from demagnify.core.errors import ImageContractError
from demagnify.core.images import check_batch


class Attack(ABC):
    """Changes images so that detectors misjudge them; has no state and no randomness.

    Subclasses write `run` and `fingerprint`; callers call the attack.

    Args:
        name: What it is called in tables: "srgan-x4", "bicubic-x2", "none".
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @final
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Attacks every image of a batch.

        Args:
            images: uint8 RGB (N, 3, H, W), 0-255, on any device; N may be 0.

        Returns:
            A new tensor of the same shape, dtype and device.

        Raises:
            ImageContractError: If `images` is no image batch, or too small for this attack.
        """
        check_batch(images)
        if len(images) == 0:
            return images.clone()
        attacked = check_batch(self.run(images), name=f"the result of {self.name}")
        if attacked.shape != images.shape:
            raise ImageContractError(
                f"{self.name} made {tuple(attacked.shape)} of {tuple(images.shape)}"
            )
        return attacked.to(images.device)

    @abstractmethod
    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Attacks a checked batch of at least one image; see `__call__`."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Returns a text that differs when the attack would give other pixels.

        Results are cached under it. The device is left out: it moves a pixel by a level at most.
        """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
