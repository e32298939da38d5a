"""Masks hide a part of the face: the paper's corrective transformation, and its relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field

from demagnify.transforms.base import TRANSFORMS, Transform


@TRANSFORMS.register("mask-center")
@dataclass(frozen=True)
class MaskCenter(Transform):
    """Sets a square in the centre of the image to zero, in all channels.

    The square's side is a share of the image's shorter side, so that it covers the same part of a
    face at any size: 64x64 pixels at 224x224, rows and columns 80 to 143 (the demagnification
    paper, section 3.2.3).

    Attributes:
        share: Side of the square as a share of the shorter image side, above 0, at most 1.
    """

    family = "mask-center"
    differentiable = True
    share: Annotated[float, Field(gt=0, le=1)] = 64 / 224

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns a copy with the square set to zero."""
        height, width = images.shape[-2:]
        side = round(self.share * min(height, width))
        top, left = (height - side) // 2, (width - side) // 2
        masked = images.clone()
        masked[:, :, top : top + side, left : left + side] = 0
        return masked


class Region(NamedTuple):
    """A rectangle, its edges as shares of the image's height and width."""

    top: float
    bottom: float
    left: float
    right: float


@dataclass(frozen=True)
class MaskRegion(Transform):
    """Sets a fixed part of a square face crop to zero, in all channels.

    No landmarks are looked for. In crops as `demagnify.data.face_finding` makes them (the box that
    YuNet finds, 10 % wider on each end) the eyes of 120 portraits lie at 0.36 and 0.64 of the
    width and 0.40 of the height, the tip of the nose at (0.50, 0.56), the corners of the mouth at
    (0.38, 0.69) and (0.62, 0.69), each within about 0.05; the rectangles allow for that. In crops
    of another geometry they lie elsewhere on the face.

    Hiding whole parts of the face is the Face-Cutout of Das et al., "Towards Solving the DeepFake
    Problem: An Analysis on Improving DeepFake Detection using Dynamic Face Augmentation", ICCV
    Workshops 2021, there used in training.

    Attributes:
        region: The rectangle.
    """

    differentiable = True
    region: ClassVar[Region]

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Returns a copy with the region set to zero."""
        height, width = images.shape[-2:]
        top, bottom = round(self.region.top * height), round(self.region.bottom * height)
        left, right = round(self.region.left * width), round(self.region.right * width)
        masked = images.clone()
        masked[:, :, top:bottom, left:right] = 0
        return masked


@TRANSFORMS.register("mask-eyes")
@dataclass(frozen=True)
class MaskEyes(MaskRegion):
    """Hides both eyes; see `MaskRegion`."""

    family = "mask-eyes"
    region = Region(top=0.30, bottom=0.50, left=0.20, right=0.80)


@TRANSFORMS.register("mask-nose")
@dataclass(frozen=True)
class MaskNose(MaskRegion):
    """Hides the nose; see `MaskRegion`."""

    family = "mask-nose"
    region = Region(top=0.42, bottom=0.63, left=0.37, right=0.63)


@TRANSFORMS.register("mask-mouth")
@dataclass(frozen=True)
class MaskMouth(MaskRegion):
    """Hides the mouth; see `MaskRegion`."""

    family = "mask-mouth"
    region = Region(top=0.60, bottom=0.80, left=0.28, right=0.72)
