"""EDSR-baseline with a local implicit image function: one network for every scale.

Chen, Liu and Wang, "Learning Continuous Image Representation with Local Implicit Image Function"
(CVPR 2021). The encoder is the EDSR-baseline of the published attack without its upsampler; a
small fully connected network computes the colour at each point from the features around it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import AssetError, BadArtifactError
from demagnify.core.weights import read
from demagnify.transforms.super_resolution.edsr import Trunk
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

FEATURES: Final = 64
BLOCKS: Final = 16
HIDDEN: Final = 256
POINTS_AT_ONCE: Final = 2**15
"""Pixels of the result whose colours are computed in one call, for 32 MB of features."""

_TIE: Final = 1e-4  # a point between two cells belongs to the later one, as in the published code
_NO_AREA: Final = 1e-9
_LINEAR = ("weight", "bias")

_DEFAULT_SCALE: Final = 2


class Decoder(nn.Module):
    """Five fully connected layers with ReLU between; the first is computed by `LIIF`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES * 9 + 4, HIDDEN)
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.ReLU(), nn.Linear(HIDDEN, HIDDEN)]
        self.layers = nn.Sequential(self.first, *layers, nn.ReLU(), nn.Linear(HIDDEN, 3))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps what the first layer gives, (..., 256), to colours (..., 3)."""
        colours: torch.Tensor = self.layers[1:](hidden)
        return colours


class LIIF(nn.Module):
    """The published network, at one whole scale; RGB in [0, 1] to RGB around [0, 1].

    The first fully connected layer sees 3x3 features, where the point lies in its cell, and how
    large a pixel is. Its part for the features is the same for all points of a cell: it is computed
    once, as a convolution, which gives the same result in about half the time.

    Args:
        scale: By how much it enlarges.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.encoder = Trunk(BLOCKS, FEATURES)
        self.imnet = Decoder()
        self.scale = scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to images (N, 3, scale*H, scale*W)."""
        first = self.imnet.first
        kernel = first.weight[:, : FEATURES * 9].reshape(HIDDEN, FEATURES, 3, 3)
        features = self.encoder((images - 0.5) / 0.5)
        cells = functional.conv2d(features, kernel, first.bias, padding=1).permute(0, 2, 3, 1)
        # What the first layer adds for the place in the cell (rows, columns), and the pixel's size.
        place, size = first.weight[:, -4:-2], first.weight[:, -2:]
        cells = cells + size.sum(dim=1) * (2 / self.scale)
        height, width = (side * self.scale for side in images.shape[-2:])
        step = max(1, POINTS_AT_ONCE // (width * len(images)))
        parts = [
            self._colours(cells, place, torch.arange(top, min(top + step, height)))
            for top in range(0, height, step)
        ]
        return torch.cat(parts, dim=1).permute(0, 3, 1, 2) * 0.5 + 0.5

    def _colours(
        self, cells: torch.Tensor, place: torch.Tensor, rows: torch.Tensor
    ) -> torch.Tensor:
        """Returns the colours of some rows of the result, (N, rows, W, 3).

        Each of the four cells around a point gives a colour. Its weight is the area between the
        point and the cell opposite.
        """
        height, width = cells.shape[1:3]
        columns = torch.arange(width * self.scale)
        colours, areas = [], []
        for above in (-0.5, 0.5):
            row, down = (one.to(cells.device) for one in self._nearest(rows, height, above))
            for before in (-0.5, 0.5):
                column, right = (
                    one.to(cells.device) for one in self._nearest(columns, width, before)
                )
                hidden = cells[:, row][:, :, column]
                hidden = hidden + down[:, None, None] * place[:, 0]
                hidden = hidden + right[:, None] * place[:, 1]
                colours.append(self.imnet(hidden).float())
                areas.append((down[:, None] * right).abs() + _NO_AREA)
        total = torch.stack(areas).sum(dim=0)
        weighted = [
            colour * (area / total)[..., None]
            for colour, area in zip(colours, reversed(areas), strict=True)
        ]
        return torch.stack(weighted).sum(dim=0)

    def _nearest(
        self, points: torch.Tensor, cells: int, shift: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the cell nearest to each shifted point, and twice the way from its centre."""
        position = (points.to(torch.float64) + 0.5) / self.scale - 0.5  # in cells
        cell = torch.floor(position + shift + 0.5 + _TIE).clamp(0, cells - 1)
        return cell.long(), (2 * (position - cell)).to(torch.float32)


def load(path: Path, scale: int) -> Network:
    """Reads the published weights at `path`, for enlarging by `scale`.

    Raises:
        AssetError: If the file does not hold the weights of this network.
    """
    try:
        weights = read(path)
        shifts = ("encoder.sub_mean.", "encoder.add_mean.")  # there, but not used by LIIF
        network = LIIF(scale)
        network.load_state_dict(
            {name: value for name, value in weights.items() if not name.startswith(shifts)}
            | {f"imnet.first.{part}": weights[f"imnet.layers.0.{part}"] for part in _LINEAR}
        )
    except (BadArtifactError, RuntimeError, KeyError) as error:
        raise AssetError(f"{path} does not hold the weights of EDSR-baseline-LIIF") from error
    return Network(network.eval(), scale=scale)


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    return Loaded(load(path, scale or _DEFAULT_SCALE), (path,))


READERS.add("liif", Reader(_read))
