"""Shrinking and enlarging again without a network: a correction, and the control of attacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Self

import torch
from pydantic import Field

from demagnify.core.errors import BadConfigError
from demagnify.core.specs import Part, make_from
from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform
from demagnify.transforms.resampling import enlarge, to_float
from demagnify.transforms.super_resolution.magnification import Geometry, Magnification, Variant

if TYPE_CHECKING:
    from demagnify.core.devices import Precision


@TRANSFORMS.register("down-up")
@dataclass(frozen=True)
class DownUp(Transform):
    """Shrinks the image by area averaging and brings it back with bicubic interpolation.

    The resize defence of Xie et al., "Mitigating Adversarial Effects Through Randomization", ICLR
    2018, without the randomness. It repeats the attack's own degradation, so attacked and original
    faces become alike.

    Attributes:
        scale: The factor of shrinking, above 1, at most 8.
    """

    family = "down-up"
    differentiable = True
    scale: Annotated[float, Field(gt=1, le=8)] = 2.0

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the copy without its finest details."""
        height, width = images.shape[-2:]
        return kernels.enlarge(kernels.shrink(images, self.scale), height, width)


@TRANSFORMS.register("bicubic")
@dataclass(frozen=True)
class Bicubic(Magnification):
    """Shrinks by area averaging and enlarges with a bicubic kernel, Pillow's.

    The control of a super-resolution attack: the same degradation without a network.

    Attributes:
        scale: The factor of shrinking, above 1; 2 in "bicubic-x2".
        variant: In which order images are resized; see `Variant`.
    """

    family = "bicubic"
    scale: Annotated[float, Field(gt=1)] = 2.0
    variant: Variant = "as-found"

    @classmethod
    def from_part(
        cls, part: Part, *, device: str = "auto", precision: Precision = "float32"
    ) -> Self:
        """Makes it from "bicubic-x2@up-then-down"; see `Transform.from_part`."""
        del device, precision
        base = part.base.replace("bicubic-x", "bicubic-", 1)
        made = make_from(cls, base)
        options = Geometry.read(part)
        if options.feeding != "rgb-1":
            raise BadConfigError(
                f"{part.base} has no network to feed", hint=f"leave @{options.feeding} out"
            )
        if options.shrink not in (None, made.scale):
            raise BadConfigError(
                f"{part.base} enlarges by {made.scale:g}, not by {options.shrink:g}",
                hint=f"write bicubic-x{options.shrink:g}",
            )
        return replace(made, variant=options.variant)

    @property
    def name(self) -> str:
        """The scale and the variant: "bicubic-x2", "bicubic-x2@fit-224"."""
        return f"bicubic-x{self.scale:g}{Geometry(variant=self.variant)}"

    @property
    def spec(self) -> str:
        """The name."""
        return self.name

    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges with Pillow's bicubic kernel."""
        height, width = (round(side * self.scale) for side in images.shape[-2:])
        return enlarge(to_float(images), height, width)

    def fingerprint(self) -> str:
        """Returns the kernel, the scale, the variant and the version of the procedure."""
        return f"bicubic-x{self.scale:g} v{self.version}{self.geometry}"
