"""EDSR, the network of the published attack, in the three ways in which its weights are named.

Lim, Son, Kim, Nah and Lee, "Enhanced Deep Residual Networks for Single Image Super-Resolution"
(CVPR Workshops 2017). The authors' files and torchSR's name the layers alike; BasicSR's differ.
spandrel does not know this architecture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

from demagnify.core.errors import BadArtifactError
from demagnify.transforms.super_resolution.network import Network

Weights = Mapping[str, torch.Tensor]

RANGE: Final = 255.0
"""The authors' layers compute in 0-255, around the mean colour of DIV2K."""

DIV2K_MEAN: Final = (0.4488, 0.4371, 0.4040)

LARGE_FEATURES: Final = 256
"""Width of the large EDSR, whose residual blocks are damped by 0.1; the baseline has 64."""

_BASICSR = (
    (re.compile(r"^conv_first\."), "head.0."),
    (re.compile(r"^body\.(\d+)\.conv1\."), r"body.\1.body.0."),
    (re.compile(r"^body\.(\d+)\.conv2\."), r"body.\1.body.2."),
    (re.compile(r"^upsample\.(\d+)\."), r"tail.0.\1."),
    (re.compile(r"^conv_last\."), "tail.1."),
)


class ResidualBlock(nn.Module):
    """Two convolutions without batch normalisation beside an identity path."""

    def __init__(self, features: int, damping: float) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(features, features), nn.ReLU(), conv(features, features))
        self.damping = damping

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps features (N, F, H, W) to features of the same shape."""
        change: torch.Tensor = self.body(features)
        return features + self.damping * change


class Trunk(nn.Module):
    """What EDSR is without its upsampler: centred RGB images to features.

    Args:
        blocks: How many residual blocks.
        features: Width of the layers.
    """

    def __init__(self, blocks: int, features: int) -> None:
        super().__init__()
        damping = 0.1 if features == LARGE_FEATURES else 1.0
        self.head = nn.Sequential(conv(3, features))
        self.body = nn.Sequential(
            *(ResidualBlock(features, damping) for _ in range(blocks)), conv(features, features)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to features (N, F, H, W)."""
        first: torch.Tensor = self.head(images)
        deep: torch.Tensor = self.body(first)
        return first + deep


class EDSR(Trunk):
    """EDSR and EDSR-baseline: RGB in [0, 1] to RGB around [0, 1], any size.

    Args:
        blocks: How many residual blocks.
        features: Width of the layers.
        scale: 2, 3, 4 or 8.
    """

    def __init__(self, blocks: int, features: int, scale: int) -> None:
        super().__init__(blocks, features)
        self.tail = nn.Sequential(_upsampler(features, scale), conv(features, 3))
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to images (N, 3, scale*H, scale*W)."""
        mean = self.get_buffer("mean")
        enlarged: torch.Tensor = self.tail(super().forward((images - mean) * RANGE))
        return enlarged / RANGE + mean


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of 3x3 that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _upsampler(features: int, scale: int) -> nn.Sequential:
    """Steps of two, or one of three: a wider convolution, then a pixel shuffle."""
    step = 3 if scale == 3 else 2
    layers: list[nn.Module] = []
    for _ in range(1 if scale == step else scale.bit_length() - 1):
        layers += [conv(features, features * step**2), nn.PixelShuffle(step)]
    return nn.Sequential(*layers)


def detect(weights: Weights) -> bool:
    """Whether these are weights of an EDSR with its own upsampler."""
    names = {"head.0.weight", "body.0.body.0.weight", "tail.0.0.weight", "tail.1.weight"}
    return names <= _canonical(weights).keys()


def from_weights(weights: Weights, *, name: str) -> Network:
    """Makes the EDSR that has these weights.

    Raises:
        BadArtifactError: If they do not fit, or are not for RGB images.
    """
    named = _canonical(weights)
    features, channels = named["head.0.weight"].shape[:2]
    if channels != 3:
        raise BadArtifactError(
            f"{name} maps {channels} channels; a network for RGB images is needed"
        )
    blocks = sum(re.fullmatch(r"body\.\d+\.body\.0\.weight", key) is not None for key in named)
    steps = [value.shape[0] // features for key, value in named.items() if _is_step(key)]
    scale = 3 if steps == [9] else 2 ** len(steps)
    module = EDSR(blocks, features, scale)
    try:
        module.load_state_dict(named)
    except RuntimeError as error:
        raise BadArtifactError(f"{name}: the weights fit no EDSR of scale {scale}") from error
    return Network(module.eval(), scale=scale)


def _is_step(name: str) -> bool:
    return re.fullmatch(r"tail\.0\.\d+\.weight", name) is not None


def _canonical(weights: Weights) -> dict[str, torch.Tensor]:
    """Returns the weights under the authors' names, without the fixed mean colour."""
    blocks = sum(re.fullmatch(r"body\.\d+\.conv1\.weight", key) is not None for key in weights)
    renamed = {}
    for key, value in weights.items():
        if key.startswith(("sub_mean.", "add_mean.")) or key == "mean":
            continue
        name = key.replace("conv_after_body.", f"body.{blocks}.")
        for pattern, target in _BASICSR:
            name = pattern.sub(target, name)
        renamed[name] = value
    return renamed
