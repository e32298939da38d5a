"""Sparring networks and the discriminator that teaches some of them to invent detail."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from demagnify.hardening.surrogates.design import Activation, Design


class SparringNetwork(nn.Module):
    """A plain chain of convolutions that adds detail to a bilinear enlargement.

    The shape of Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network"
    (ECCV 2016), and of the compact networks of Real-ESRGAN: all work is done at the small size.

    Args:
        design: Its build.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.scale = design.scale
        layers: list[nn.Module] = [nn.Conv2d(3, design.width, 5, padding=2)]
        for _ in range(design.depth):
            layers.append(_activation(design.activation, design.width))
            layers.append(nn.Conv2d(design.width, design.width, 3, padding=1))
        layers.append(_activation(design.activation, design.width))
        self.body = nn.Sequential(*layers)
        self.tail = _tail(design)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges float32 RGB (N, 3, H, W) around 0 to 1; the result is not clipped."""
        coarse = F.interpolate(
            images, scale_factor=float(self.scale), mode="bilinear", align_corners=False
        )
        detail: torch.Tensor = self.tail(self.body(images))
        return coarse + detail


class Discriminator(nn.Sequential):
    """Tells photographs from rebuilt images, patch by patch.

    Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (CVPR 2017).
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 24, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 1, 3, padding=1),
        )


def _activation(name: Activation, width: int) -> nn.Module:
    if name == "prelu":
        return nn.PReLU(width)
    return nn.LeakyReLU(0.2) if name == "leaky" else nn.ReLU()


def _tail(design: Design) -> nn.Module:
    scale, width = design.scale, design.width
    if design.upsampling == "shuffle":
        return nn.Sequential(nn.Conv2d(width, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
    if design.upsampling == "nearest":
        return nn.Sequential(
            nn.Conv2d(width, 12, 3, padding=1),
            nn.Upsample(scale_factor=scale, mode="nearest"),
            _activation(design.activation, 12),
            nn.Conv2d(12, 3, 3, padding=1),
        )
    # The kernel is no multiple of the stride, so that it overlaps unevenly: a checkerboard.
    return nn.ConvTranspose2d(width, 3, scale + 1, stride=scale, padding=1, output_padding=1)
