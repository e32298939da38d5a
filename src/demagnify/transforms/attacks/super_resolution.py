"""Adversarial magnification: shrink the face, rebuild it with a super-resolution network.

Coccomini, Caldelli, Amato, Falchi and Gennaro, "Adversarial Magnification to Deceive Deepfake
Detection through Super Resolution" (arXiv 2407.02670).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Final

import torch

from demagnify.core.devices import Precision, autocast, computes_in_bfloat16, pick_device
from demagnify.core.errors import BadConfigError
from demagnify.transforms.attacks.magnification import Magnification
from demagnify.transforms.attacks.resampling import to_float
from demagnify.transforms.attacks.spec import Feeding, Variant
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.tiling import enlarge_in_tiles

FULL_SCALE: Final = 255.0


class SuperResolutionAttack(Magnification):
    """Shrinks each image by area averaging, enlarges it with a network, rounds to 8 bits.

    Where the network's result has not the size of the image, it is resized with a bicubic kernel;
    see `Magnification`.

    Args:
        load: Returns the network, on the CPU; called at the first use.
        scale: The network's scale.
        name: What the attack is called in tables.
        identity: What tells the weights from others, such as their SHA-256.
        shrink: By how much images are shrunk; the network's scale if None.
        variant: In which order images are resized.
        feeding: What the network is fed. "bgr-255" gives it the channels in BGR order and values
            in 0-255 instead of 0-1 and reads its result alike, as the published code of the
            attack does with EDSR by mistake.
        bfloat16: Whether the network may compute in bfloat16.
        device: Where the network computes: "auto", "cpu", "cuda".
        precision: "float32"; "bfloat16" is up to five times as fast on processors that have it,
            and moves pixels by 0.5 to 0.7 grey levels (root mean square); "auto" is bfloat16 where
            both the processor and the network allow it.

    Raises:
        BadConfigError: If the device does not exist, or the network has no such precision.
    """

    def __init__(
        self,
        load: Callable[[], Network],
        *,
        scale: int,
        name: str,
        identity: str,
        shrink: float | None = None,
        variant: Variant = "as-found",
        feeding: Feeding = "rgb-1",
        bfloat16: bool = True,
        device: str = "auto",
        precision: Precision = "float32",
    ) -> None:
        super().__init__(name, scale=scale, shrink=shrink, variant=variant)
        self.feeding: Feeding = feeding
        self.device = pick_device(device)
        self.precision = _allowed(precision, name, self.device, bfloat16=bfloat16)
        self._load = load
        self._identity = identity

    @cached_property
    def network(self) -> Network:
        """The network, loaded and moved to the device when it is first asked for.

        Raises:
            BadConfigError: If it cannot be fed as asked for.
        """
        network = replace(self._load(), name=self.name)
        if self.feeding == "bgr-255":
            if not network.any_range:
                raise BadConfigError(f"the network of {self.name} takes values in 0-1 only")
            network = replace(network, module=network.unclipped or network.module)
        network.module.to(self.device)
        if network.channels_last:
            network.module.to(memory_format=torch.channels_last)
        return network

    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a uint8 batch (N, 3, H, W) with the network."""
        fed = to_float(images.to(self.device))
        if self.feeding == "bgr-255":
            fed = fed.flip(1) * FULL_SCALE
        with torch.inference_mode(), autocast(self.device, self.precision):
            enlarged = enlarge_in_tiles(self.network, fed)
        enlarged = enlarged.float()
        return enlarged.flip(1) / FULL_SCALE if self.feeding == "bgr-255" else enlarged

    def fingerprint(self) -> str:
        """Returns the version of the procedure, its settings, the weights and the precision."""
        feeding = "" if self.feeding == "rgb-1" else f" {self.feeding}"
        return (
            f"super-resolution v1 x{self.scale:g} {self._identity} {self.precision}"
            f"{self.geometry}{feeding}"
        )


def _allowed(precision: Precision, name: str, device: torch.device, *, bfloat16: bool) -> Precision:
    """Returns "float32" or "bfloat16", whichever `precision` means here."""
    half = computes_in_bfloat16(device, precision)
    if half and not bfloat16:
        if precision == "bfloat16":
            raise BadConfigError(
                f"the network of {name} does not compute in bfloat16", hint="use float32 or auto"
            )
        return "float32"
    return "bfloat16" if half else "float32"
