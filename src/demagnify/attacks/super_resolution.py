"""Adversarial magnification: shrink the face, rebuild it with a super-resolution network.

Coccomini, Caldelli, Amato, Falchi and Gennaro, "Adversarial Magnification to Deceive Deepfake
Detection through Super Resolution" (arXiv 2407.02670).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

import torch
from torch import nn

from demagnify.attacks.base import Attack
from demagnify.attacks.networks.network import Network
from demagnify.attacks.networks.tiling import enlarge_in_tiles
from demagnify.attacks.resampling import check_size, enlarge, shrink, to_float, to_uint8
from demagnify.devices import Precision, autocast, computes_in_bfloat16, pick_device
from demagnify.errors import BadConfigError

PIXELS_AT_ONCE: Final = 2**19
"""Pixels of the result that a network computes in one call: ten faces of 224x224."""


class SuperResolutionAttack(Attack):
    """Shrinks each image by area averaging, enlarges it with a network, rounds to 8 bits.

    Where the image's sides are no multiples of the scale, the network's result differs from the
    image in size by a few pixels and is resized with a bicubic kernel.

    Args:
        load: Returns the network, on the CPU; called at the first use.
        scale: The network's scale, by which images are shrunk.
        name: What the attack is called in tables.
        identity: What tells the weights from others, such as their SHA-256.
        device: Where the network computes: "auto", "cpu", "cuda".
        precision: "float32"; "bfloat16" is up to five times as fast on processors that have it,
            and moves pixels by 0.5 to 0.7 grey levels (root mean square).
    """

    def __init__(
        self,
        load: Callable[[], Network],
        *,
        scale: int,
        name: str,
        identity: str,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        super().__init__(name)
        self.scale = scale
        self.device = pick_device(device)
        self.precision: Precision = precision
        self._half = computes_in_bfloat16(self.device, precision)
        self._load = load
        self._identity = identity

    @cached_property
    def network(self) -> Network:
        """The network, loaded and moved to the device when it is first asked for."""
        network = self._load()
        network.module.to(self.device).to(memory_format=torch.channels_last)
        return network

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the rebuilt images, computed in parts so that memory stays bounded."""
        check_size(images, self.scale)
        height, width = images.shape[-2:]
        part = max(1, PIXELS_AT_ONCE // (height * width))
        rebuilt = [self._rebuild(batch.to(self.device)) for batch in torch.split(images, part)]
        return torch.cat(rebuilt)

    def fingerprint(self) -> str:
        """Returns the version of the procedure, the scale, the weights and the precision."""
        precision = "bfloat16" if self._half else "float32"
        return f"super-resolution v1 x{self.scale} {self._identity} {precision}"

    def _rebuild(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        small = to_float(shrink(images, self.scale))
        with torch.inference_mode(), autocast(self.device, self.precision):
            enlarged = enlarge_in_tiles(self.network, small)
        return to_uint8(enlarge(enlarged.float(), height, width)).contiguous()


class _Called(nn.Module):
    """Any function as a module; a function that is a module itself moves and evaluates with it."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.function(images)


def from_callable(
    function: Callable[[torch.Tensor], torch.Tensor],
    scale: int,
    name: str,
    *,
    device: str = "auto",
    precision: Precision = "float32",
) -> SuperResolutionAttack:
    """Makes an attack of any Python function or module that enlarges images.

    Args:
        function: Maps float32 RGB in [0, 1], shape (N, 3, H, W), to (N, 3, scale*H, scale*W);
            a `torch.nn.Module` is moved to the device and set to evaluation.
        scale: By how much it enlarges, 2 or more.
        name: What to call the attack. Results are cached under it: choose another name when the
            function changes.
        device: Where it computes.
        precision: See `SuperResolutionAttack`.

    Raises:
        BadConfigError: If the scale is below 2 or the device does not exist.
    """
    if scale < 2:
        raise BadConfigError(f"{name}: a scale of {scale} does not enlarge", hint="use 2 or more")
    return SuperResolutionAttack(
        lambda: Network(_Called(function).eval(), scale),
        scale=scale,
        name=name,
        identity=f"callable {name}",
        device=device,
        precision=precision,
    )
