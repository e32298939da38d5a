"""Shrinking a face, enlarging it again, and giving it its own size back.

The options follow the name of an attack:

    srgan-x4@k2             shrinks by 2 before the network enlarges by 4
    srgan-x4@up-then-down   another variant of the attack
    srgan-x4@bgr-255        feeds the network as the published code did
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import torch

from demagnify.core.errors import BadConfigError
from demagnify.core.specs import OPTION, Part
from demagnify.transforms.base import Transform
from demagnify.transforms.resampling import (
    area_resize,
    check_size,
    enlarge,
    shrink,
    to_float,
    to_uint8,
)

Variant = Literal["as-found", "fit-224", "up-then-down"]
"""In which order an attack resizes a face.

* as-found: shrink the face at its own size, rebuild it, back to its size;
* fit-224: resize it to 224x224 first, then the same, then back to its own size;
* up-then-down: enlarge it with the network first, then shrink it to its size.

In the published code of Coccomini et al. (arXiv 2407.02670) these are the modes 2 ("v3"), 0, and 1
("v2"), which takes faces of 224x224. The published modes save the face at the size that the network
gives, with width and height swapped where a crop is not square; here it gets its own size back.
"""

Feeding = Literal["rgb-1", "bgr-255"]
"""The network's input: RGB in [0, 1] as networks expect it, or the published code's BGR 0-255."""

VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)
FEEDINGS: Final[tuple[Feeding, ...]] = get_args(Feeding)
FITTED_SIDE: Final = 224
"""Side to which "fit-224" resizes first: the input size of the published detectors."""
PIXELS_AT_ONCE: Final = 2**19
"""Pixels of the result that are computed in one call: ten faces of 224x224."""

_SHRINK: Final = re.compile(r"k(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Geometry:
    """The options of an attack, as they follow its name in a spec.

    Attributes:
        shrink: The factor of shrinking, 1 or more; None for the network's own scale.
        variant: In which order images are resized.
        feeding: The network's input.
    """

    shrink: float | None = None
    variant: Variant = "as-found"
    feeding: Feeding = "rgb-1"

    @classmethod
    def read(cls, part: Part) -> Geometry:
        """Reads the flags of a part: "k2", a variant, a feeding.

        Raises:
            BadConfigError: If a flag is unknown, contradicts another or is out of range.
        """
        given: dict[str, Any] = {}
        for flag in (*part.flags, *(f"{key}={value}" for key, value in part.options.items())):
            field, value = cls._field(flag, part.base)
            if field in given:
                raise BadConfigError(
                    f"{part.base}: the option {flag!r} contradicts or repeats another"
                )
            given[field] = value
        return cls(**given)

    @staticmethod
    def _field(flag: str, base: str) -> tuple[str, str | float]:
        if flag in VARIANTS:
            return "variant", flag
        if flag in FEEDINGS:
            return "feeding", flag
        match = _SHRINK.fullmatch(flag)
        if match is None:
            known = ", ".join(("k2", *VARIANTS, *FEEDINGS))
            raise BadConfigError(f"{base}: no option is called {flag!r}", hint=f"known: {known}")
        return "shrink", check_shrink(float(match[1]), f"{base}@{flag}")

    def __str__(self) -> str:
        """Returns the options as a spec has them, "@k2@up-then-down"; defaults are left out."""
        chosen = [] if self.shrink is None else [f"k{self.shrink:g}"]
        chosen += [] if self.variant == "as-found" else [self.variant]
        chosen += [] if self.feeding == "rgb-1" else [self.feeding]
        return "".join(f"{OPTION}{option}" for option in chosen)


def check_shrink(factor: float, name: str) -> float:
    """Returns `factor` if images can be shrunk by it.

    Raises:
        BadConfigError: If it is below 1 or not finite.
    """
    if not math.isfinite(factor) or factor < 1:
        raise BadConfigError(f"{name} cannot shrink by {factor:g}", hint="use 1 or more")
    return factor


class Magnification(Transform):
    """Shrinks images, enlarges them again, and gives them their own size back.

    Subclasses write `magnify`. Where the enlarged image has not the size of the original, because
    the sides are no multiples of the scale or because images are shrunk by another factor than
    they are enlarged by, it is resized with a bicubic kernel.

    Attributes:
        scale: The factor by which `magnify` enlarges.
        variant: In which order images are resized; see `Variant`.
    """

    uses = ("attack",)
    scale: float
    variant: Variant

    @property
    def factor(self) -> float:
        """The factor by which images are shrunk first, by area averaging."""
        return self.scale

    @abstractmethod
    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a uint8 batch (N, 3, H, W) to floats in [0, 1], sides `scale` times as long."""

    @property
    def geometry(self) -> str:
        """The part of the fingerprint about resizing; empty for the usual way."""
        factor = "" if self.factor == self.scale else f" k{self.factor:g}"
        return factor + ("" if self.variant == "as-found" else f" {self.variant}")

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the rebuilt images, computed in parts so that memory stays bounded."""
        if self.variant == "fit-224":
            height, width = images.shape[-2:]
            rebuilt = self._in_parts(_resize(images, FITTED_SIDE, FITTED_SIDE))
            return _resize(rebuilt, height, width)
        return self._in_parts(images)

    def _in_parts(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        grows = self.scale if self.variant == "up-then-down" else self.scale / self.factor
        if self.variant != "up-then-down":
            check_size(images, self.factor)
        part = max(1, int(PIXELS_AT_ONCE // (height * width * grows**2)))
        return torch.cat([self._rebuild(batch) for batch in torch.split(images, part)])

    def _rebuild(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        if self.variant == "up-then-down":
            rebuilt = area_resize(self.magnify(images), height, width)
        else:
            rebuilt = enlarge(self.magnify(shrink(images, self.factor)), height, width)
        return to_uint8(rebuilt).contiguous().to(images.device)


def _resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resizes a uint8 batch to (N, 3, height, width) with Pillow's antialiased bicubic kernel."""
    return to_uint8(enlarge(to_float(images), height, width))
