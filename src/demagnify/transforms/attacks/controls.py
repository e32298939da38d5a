"""Attacks without a network: what they do to a detector is not super-resolution's work."""

from __future__ import annotations

from typing import Final, Literal

import torch

from demagnify.core.errors import BadConfigError
from demagnify.core.images import decode, encode_jpeg, from_batch, to_batch
from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.attacks.magnification import Magnification
from demagnify.transforms.attacks.resampling import check_size, enlarge, to_float
from demagnify.transforms.attacks.spec import Variant

Subsampling = Literal["4:2:0", "4:4:4"]
"""Whether a JPEG file keeps a quarter of the colour samples, as most do, or all."""

BEST_JPEG: Final = 95
"""Above, libjpeg's quality scale makes files larger and pictures no better."""


class NoAttack(Attack):
    """Leaves every image as it is; the row that all others are compared with."""

    def __init__(self) -> None:
        super().__init__("none")

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns a copy."""
        return images.clone()

    def fingerprint(self) -> str:
        """Returns "none"."""
        return "none"


class BicubicAttack(Magnification):
    """Shrinks by area averaging and enlarges with a bicubic kernel.

    The same degradation as in `SuperResolutionAttack`, so that the difference between both is
    the network's.

    Args:
        scale: By how much the images are shrunk, above 1.
        variant: In which order images are resized; see `Variant`.
        name: What it is called in tables; "bicubic-x2" if None.

    Raises:
        BadConfigError: If the scale does not shrink.
    """

    def __init__(
        self, scale: float, *, variant: Variant = "as-found", name: str | None = None
    ) -> None:
        if not scale > 1:
            raise BadConfigError(f"bicubic-x{scale:g} does not shrink", hint="use more than 1")
        own_name = f"bicubic-x{scale:g}"
        super().__init__(name or own_name, scale=scale, variant=variant)
        self._own_name = own_name

    def magnify(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges with Pillow's bicubic kernel."""
        height, width = (round(side * self.scale) for side in images.shape[-2:])
        return enlarge(to_float(images), height, width)

    def fingerprint(self) -> str:
        """Returns the kernel, the scale, the variant and the version of the procedure."""
        return f"{self._own_name} v1{self.geometry}"


class JpegAttack(Attack):
    """Saves every image as a JPEG file and reads it again, as uploading does.

    Args:
        quality: libjpeg's quality, 1 to 95.
        subsampling: "4:2:0" keeps every fourth colour sample, "4:4:4" all.

    Raises:
        BadConfigError: If the quality is out of range.
    """

    def __init__(self, quality: int, *, subsampling: Subsampling = "4:2:0") -> None:
        if not 1 <= quality <= BEST_JPEG:
            raise BadConfigError(f"JPEG's quality is 1 to {BEST_JPEG}, not {quality}")
        ending = "" if subsampling == "4:2:0" else "-444"
        super().__init__(f"jpeg-{quality}{ending}")
        self.quality = quality
        self.subsampling: Subsampling = subsampling

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the decoded files; computed on the CPU by Pillow."""
        check_size(images, 1)
        files = (
            encode_jpeg(pixels, quality=self.quality, subsampling=self.subsampling)
            for pixels in from_batch(images)
        )
        return to_batch([decode(file) for file in files])

    def fingerprint(self) -> str:
        """Returns the name and the version of the procedure."""
        return f"{self.name} v1"
