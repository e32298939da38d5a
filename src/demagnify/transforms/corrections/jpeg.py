"""JPEG compression as a corrective transformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from demagnify.core.images import decode, encode_jpeg
from demagnify.transforms.corrections import kernels
from demagnify.transforms.corrections.base import ACTIONS, Action


@ACTIONS.register("jpeg")
@dataclass(frozen=True)
class Jpeg(Action):
    """Compresses to JPEG (4:2:0) and decodes again; runs on the CPU.

    Das et al., "Shield: Fast, Practical Defense and Vaccination for Deep Learning using JPEG
    Compression", KDD 2018.

    Attributes:
        quality: 1 to 95.
    """

    family = "jpeg"
    quality: Annotated[int, Field(ge=1, le=95)] = 75

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the compressed copy."""
        return kernels.each(images, lambda one: decode(encode_jpeg(one, quality=self.quality)))
