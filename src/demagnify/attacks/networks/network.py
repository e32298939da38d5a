"""What the attack needs of a super-resolution network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from demagnify.errors import ImageContractError


@dataclass(frozen=True)
class Network:
    """A super-resolution network as the attack calls it.

    Attributes:
        module: Maps float32 RGB in [0, 1], shape (N, 3, H, W), to the same with sides `scale`
            times as long.
        scale: By how much it enlarges; 1 for networks that restore without enlarging.
        unclipped: The same network without clipping to [0, 1]; None where `module` does not clip.
        any_range: Whether it may be fed values beyond [0, 1].
        tiles: Whether a large image may be cut into tiles; not where the network looks at the
            image as a whole.
        bfloat16: Whether its layers may compute in bfloat16.
    """

    module: nn.Module
    scale: int
    unclipped: nn.Module | None = None
    any_range: bool = True
    tiles: bool = True
    bfloat16: bool = True

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a batch, float32 (N, 3, H, W) in [0, 1], and checks what comes back.

        Raises:
            ImageContractError: If the module gives another shape, or no floating-point numbers.
        """
        enlarged = self.module(images.contiguous(memory_format=torch.channels_last))
        count, channels, height, width = images.shape
        expected = (count, channels, height * self.scale, width * self.scale)
        if not isinstance(enlarged, torch.Tensor) or tuple(enlarged.shape) != expected:
            got = tuple(enlarged.shape) if isinstance(enlarged, torch.Tensor) else type(enlarged)
            raise ImageContractError(
                f"the network of scale {self.scale} gave {got}, not {expected}"
            )
        if not enlarged.is_floating_point():
            raise ImageContractError(
                f"the network gave {enlarged.dtype}, not floating-point RGB in [0, 1]"
            )
        return enlarged
