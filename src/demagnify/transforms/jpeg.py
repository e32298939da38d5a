"""JPEG compression: what uploading does to a photograph, and a correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from demagnify.core.images import through_jpeg
from demagnify.transforms import kernels
from demagnify.transforms.base import TRANSFORMS, Transform
from demagnify.transforms.resampling import check_size


@TRANSFORMS.register("jpeg")
@dataclass(frozen=True)
class Jpeg(Transform):
    """Compresses to JPEG and decodes again; runs on the CPU.

    Das et al., "Shield: Fast, Practical Defense and Vaccination for Deep Learning using JPEG
    Compression", KDD 2018.

    Attributes:
        quality: libjpeg's quality, 1 to 95; above, files grow and pictures do not improve.
        chroma: 420 keeps a quarter of the colour samples, as most files do, 444 all.
    """

    family = "jpeg"
    uses = ("attack", "correction")
    quality: Annotated[int, Field(ge=1, le=95)] = 75
    chroma: Literal[420, 444] = 420

    @property
    def name(self) -> str:
        """The family with its quality, "jpeg-75"; "-444" where all colour samples are kept."""
        return f"{self.family}-{self.quality}" + ("" if self.chroma == 420 else "-444")

    @property
    def spec(self) -> str:
        """The name."""
        return self.name

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the compressed copy."""
        check_size(images, 1)
        sampling: Literal["4:2:0", "4:4:4"] = "4:2:0" if self.chroma == 420 else "4:4:4"
        return kernels.each(
            images,
            lambda one: through_jpeg(one, self.quality, subsampling=sampling),
        )
