"""Large images in tiles, so that memory does not grow with the image."""

from __future__ import annotations

from typing import Final

import torch

from demagnify.transforms.super_resolution.network import Network

TILE: Final = 512
"""Side of a tile of the result, in pixels."""

MARGIN: Final = 16
"""Pixels of the small image around a tile that the network sees and whose result is dropped."""

WHOLE_UP_TO: Final = 2**20
"""Pixels of a result that is computed in one piece: 1024x1024."""


def enlarge_in_tiles(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Enlarges a batch, float32 (N, 3, H, W) in [0, 1], in one piece or, if large, in tiles.

    Tiles overlap, so that seams are far from what a network sees of its surroundings. A network
    that looks at the image as a whole gets it in one piece.
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
