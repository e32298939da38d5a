"""From an image batch to the input of a network: size, order of channels, scaling."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import BeforeValidator, Field, model_validator

from demagnify.core.images import resize
from demagnify.core.settings import Frozen

Interpolation = Literal["bicubic", "bilinear"]
CropMode = Literal["squash", "center"]
Channels = Literal["rgb", "bgr"]

_NEAR: Final = 1e-3
"""How far a float may lie from a level 0-255 and be taken for it: the rounding of k / 255."""


def _three(value: Any) -> Any:  # noqa: ANN401  whatever a user wrote
    return (value,) * 3 if isinstance(value, int | float) else value


def _both(value: Any) -> Any:  # noqa: ANN401  whatever a user wrote
    return (value,) * 2 if isinstance(value, int) else value


Triple = Annotated[tuple[float, float, float], BeforeValidator(_three)]
"""One number per channel, or one for all."""

MOST_PIXELS: Final = 8192
Side = Annotated[int, Field(ge=1, le=MOST_PIXELS)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_both)]
"""Height and width in pixels, or one number for both."""

Positive = Annotated[float, Field(gt=0)]
Spread = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_three)]


def levels(images: torch.Tensor) -> torch.Tensor:
    """Returns a new batch with levels 0-255 in float32, channels last in memory."""
    batch = images.to(torch.float32, memory_format=torch.channels_last)
    return batch * 255 if images.is_floating_point() else batch


def to_whole_levels(batch: torch.Tensor, *, differentiable: bool) -> torch.Tensor:
    """Rounds to whole levels 0-255."""
    if not differentiable:
        return batch.round_().clamp_(0, 255)
    # Straight-through: gradients pass as if nothing was rounded; they would be zero otherwise.
    clamped = batch.clamp(0, 255)
    return clamped + (clamped.round() - clamped).detach()


def _whole(images: torch.Tensor, batch: torch.Tensor) -> torch.Tensor | None:
    """Returns the images as uint8; None if floats lie between the levels 0-255."""
    if not images.is_floating_point():
        return images
    rounded = batch.detach().round()
    near = bool(((batch.detach() - rounded).abs() < _NEAR).all())
    return rounded.clamp(0, 255).to(torch.uint8) if near else None


class Resizing(Frozen):
    """Resizing to the input size of a network, as torchvision and timm do it.

    The image is brought to `size` / `crop_pct`, and `size` is cut out of its middle: "squash"
    resizes each side by itself, "center" the shorter side and keeps the proportions.
    """

    size: Size | None = Field(default=None, description="(height, width) in pixels; None: any")
    interpolation: Interpolation = Field(default="bicubic", description="Antialiased")
    crop_pct: float = Field(default=1.0, gt=0, le=1, description="Share of a side that is kept")
    crop_mode: CropMode = Field(default="squash", description="Whether proportions may change")

    def resize(self, images: torch.Tensor) -> torch.Tensor:
        """Returns images of the wanted size with levels 0-255; resized ones have whole levels."""
        batch = levels(images)
        differentiable = images.is_floating_point()
        if self.size is None:
            return batch
        height, width = self._scaled(batch.shape[2], batch.shape[3])
        exact = None
        if images.device.type == "cpu" and (whole := _whole(images, batch)) is not None:
            exact = self._by_pillow(whole, height, width)
            batch = batch if differentiable else exact
        # Across, then down, each rounded to whole levels, as Pillow does in `images.fit`.
        for target in ((batch.shape[2], width), (height, width)):
            if batch.shape[2:] != target:
                batch = F.interpolate(batch, target, mode=self.interpolation, antialias=True)
                batch = to_whole_levels(batch, differentiable=differentiable)
        if exact is not None and differentiable:  # the values of uint8, the gradients of floats
            batch = batch + (exact - batch).detach()
        top, left = round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)
        if (height, width) == self.size:
            return batch
        return batch[:, :, top : top + self.size[0], left : left + self.size[1]].clone()

    def _by_pillow(self, images: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Resizes as `images.fit` does, to the last bit: torch's floats round some otherwise."""
        if images.shape[2:] == (height, width) or not len(images):
            return levels(images)
        rows = images.permute(0, 2, 3, 1).contiguous().numpy()
        how = self.interpolation
        resized = np.stack([resize(row, width, height, interpolation=how) for row in rows])
        return levels(torch.from_numpy(resized).permute(0, 3, 1, 2))

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Returns the size to which (height, width) is resized before its middle is cut out."""
        tall, wide = (math.floor(side / self.crop_pct) for side in self.size or (height, width))
        if self.crop_mode == "squash":
            return tall, wide
        if tall * width >= wide * height:  # the height is the shorter side
            return tall, max(wide, int(tall * width / height))
        return max(tall, int(wide * height / width)), wide


class Preprocessing(Resizing):
    """Resizing, order of channels and scaling in front of a network that wants float images.

    A level v of 0-255 becomes `range[0] + v / 255 * (range[1] - range[0])`, then (that - `mean`) /
    `std`, each in the network's own order of channels.

    Example:
        >>> Preprocessing(mean=0.5, std=0.5)(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).max()
        tensor(1.)
    """

    channels: Channels = Field(default="rgb", description="The order that the network expects")
    range: tuple[float, float] = Field(
        default=(0.0, 1.0), description="The values that 0 and 255 become"
    )
    mean: Triple = Field(default=(0.0, 0.0, 0.0), description="Subtracted, per channel")
    std: Spread = Field(default=(1.0, 1.0, 1.0), description="Divided by, per channel")

    @model_validator(mode="after")
    def _mean_is_in_range(self) -> Preprocessing:
        low, high = self.range
        if not low < high:
            raise ValueError(f"range goes from low to high, not from {low:g} to {high:g}")
        if any(self.mean) and not all(low <= value <= high for value in self.mean):
            raise ValueError(
                f"mean {self.mean} lies outside of the range {low:g} to {high:g}; "
                "write range=[0,255] if the network wants levels"
            )
        return self

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Returns float32 (N, 3, height, width) as the network wants it.

        Args:
            images: uint8 RGB (N, 3, H, W), or float RGB in [0, 1] with gradients.
        """
        low, high = self.range
        batch = self.ordered(self.resize(images)) * ((high - low) / 255) + low
        mean, std = (torch.tensor(v, device=batch.device) for v in (self.mean, self.std))
        return (batch - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)

    def ordered(self, batch: torch.Tensor) -> torch.Tensor:
        """Returns RGB images in the order of channels that the network wants."""
        return batch.flip(1) if self.channels == "bgr" else batch
