"""A super-resolution network as the attack calls it, and wrappers for unusual ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from demagnify.core.errors import BadConfigError, DemagnifyError, ImageContractError
from demagnify.core.imports import brief
from demagnify.transforms.resampling import enlarge

FACE_SIDE: Final = 512
"""Side of the faces that face restorers such as GFPGAN are trained on."""

TILE: Final = 512
"""Side of a tile of the result, in pixels."""

MARGIN: Final = 16
"""Pixels of the small image around a tile that the network sees and whose result is dropped."""

WHOLE_UP_TO: Final = 2**20
"""Pixels of a result that is computed in one piece: 1024x1024."""

PROBE: Final = (48, 64)
"""Height and width of the image on which the scale of a network is measured."""


@dataclass(frozen=True)
class Network:
    """A super-resolution network as the attack calls it.

    Attributes:
        module: Maps float32 RGB in [0, 1], shape (N, 3, H, W), to the same with sides `scale`
            times as long.
        scale: The factor of the enlargement; 1 for networks that restore without enlarging.
        unclipped: The same network without clipping to [0, 1]; None where `module` does not clip.
        any_range: Whether it may be fed values beyond [0, 1].
        tiles: Whether a large image may be cut into tiles; not where the network reads the
            image as a whole.
        bfloat16: Whether its layers may compute in bfloat16.
        channels_last: Whether weights and images are laid out with the channels last, which is
            faster; not where the network's code depends on the layout, as `view` does.
        name: What to call it in messages.
    """

    module: nn.Module
    scale: int
    unclipped: nn.Module | None = None
    any_range: bool = True
    tiles: bool = True
    bfloat16: bool = True
    channels_last: bool = True
    name: str = "the network"

    @property
    def layout(self) -> torch.memory_format:
        """How weights and images are laid out in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges a batch, float32 (N, 3, H, W) in [0, 1], and checks what comes back.

        Raises:
            ImageContractError: If the module fails on images of this size, or gives another shape,
                no floating-point numbers, or some that are no finite number.
        """
        enlarged = self._ask(images.contiguous(memory_format=self.layout))
        count, channels, height, width = images.shape
        expected = (count, channels, height * self.scale, width * self.scale)
        if not isinstance(enlarged, torch.Tensor) or tuple(enlarged.shape) != expected:
            got = tuple(enlarged.shape) if isinstance(enlarged, torch.Tensor) else type(enlarged)
            raise ImageContractError(
                f"{self.name}: the network of scale {self.scale} gave {got}, not {expected}"
            )
        if not enlarged.is_floating_point():
            raise ImageContractError(
                f"{self.name}: the network gave {enlarged.dtype}, not floating-point RGB in [0, 1]"
            )
        bad = int((~enlarged.isfinite()).sum())
        if bad:
            raise ImageContractError(
                f"{self.name}: the network gave {bad} of {enlarged.numel()} values that are no "
                "finite number",
                hint="check its weights, or compute in float32",
            )
        return enlarged

    def _ask(self, images: torch.Tensor) -> object:
        try:
            return self.module(images)
        except DemagnifyError:
            raise
        except Exception as error:  # whatever a user's network does
            shape = " x ".join(map(str, images.shape))
            raise ImageContractError(
                f"{self.name}: the network fails on {shape} values: {brief(error)}",
                hint="try faces of another size, @k2 for less shrinking, or float32",
            ) from error


def scale_of(result: object, name: str) -> int:
    """Returns by how much a network enlarged one image (1, 3, *PROBE).

    Raises:
        BadConfigError: If it gave no float RGB image that is a whole number of times larger.
    """
    height, width = PROBE
    if not isinstance(result, torch.Tensor) or not result.is_floating_point():
        kind = result.dtype if isinstance(result, torch.Tensor) else type(result).__name__
        raise BadConfigError(f"{name} gives {kind}, not a float tensor of RGB in [0, 1]")
    scale = result.shape[-1] // width if result.ndim else 0
    if scale < 1 or tuple(result.shape) != (1, 3, height * scale, width * scale):
        raise BadConfigError(
            f"{name} makes {tuple(result.shape)} of (1, 3, {height}, {width}); both sides must "
            "grow by the same whole number"
        )
    return scale


def enlarge_in_tiles(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Enlarges a batch, float32 (N, 3, H, W) in [0, 1], in one piece or, if large, in tiles.

    Tiles overlap, so that seams are far from what a network sees of its surroundings. A network
    that reads the image as a whole gets it in one piece.
    """
    scale = network.scale
    count, channels, height, width = images.shape
    if not network.tiles or height * width * scale**2 <= WHOLE_UP_TO:
        return network(images)
    result = images.new_empty(count, channels, height * scale, width * scale)
    for top, bottom, upper, lower in _cuts(height, TILE // scale):
        for start, end, left, right in _cuts(width, TILE // scale):
            piece = network(images[..., upper:lower, left:right])
            rows = slice((top - upper) * scale, (bottom - upper) * scale)
            columns = slice((start - left) * scale, (end - left) * scale)
            target = result[..., top * scale : bottom * scale, start * scale : end * scale]
            target.copy_(piece[..., rows, columns])
    return result


def _cuts(side: int, tile: int) -> list[tuple[int, int, int, int]]:
    """Cuts a side into (first, end) of each tile and (first, end) of the same with its margin."""
    return [
        (first, min(first + tile, side), max(first - MARGIN, 0), min(first + tile + MARGIN, side))
        for first in range(0, side, tile)
    ]


class Alone(nn.Module):
    """Calls a network for each image alone, where its code mixes up or refuses a batch.

    Args:
        module: Maps images (1, 3, H, W) to images.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to what the module gives."""
        return torch.cat([self._call(image[None]) for image in images])

    def _call(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.module(image)
        return result


class Seeded(Alone):
    """The same, with noise that is drawn anew from the same seed for each image.

    An image has one result, whatever stands beside it and how often it is asked for; torch's
    global generator is left as it was.
    """

    def _call(self, image: torch.Tensor) -> torch.Tensor:
        devices = [image.device] if image.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            return super()._call(image)


class FaceRestorer(nn.Module):
    """Shows a network each face at 512x512 and gives the result the face's own size.

    Args:
        module: Maps images (N, 3, 512, 512) in [0, 1] to the same.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps faces (N, 3, H, W) in [0, 1] to faces of the same size."""
        height, width = images.shape[-2:]
        fitted = enlarge(images, FACE_SIDE, FACE_SIDE).clamp(0, 1)
        return enlarge(self.module(fitted).float(), height, width)
