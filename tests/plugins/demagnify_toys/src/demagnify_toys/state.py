"""A state of three numbers: the mean colour."""

from dataclasses import dataclass

import torch

from demagnify.agents.states import StateEncoder


@dataclass(frozen=True)
class MeanColors(StateEncoder):
    """The means of red, green and blue, 0 to 1."""

    family = "toy-colors"

    def size(self, image_size: int) -> int:
        return 3

    def encode(self, images, output) -> torch.Tensor:
        return images.float().mean(dim=(2, 3)) / 255
