"""ncnn networks that are a plain chain of layers: SRMD and waifu2x.

SRMD: Zhang, Zuo and Zhang, "Learning a Single Convolutional Super-Resolution Network for Multiple
Degradations" (CVPR 2018). waifu2x: nagadomi's UpConv-7, trained on photographs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import BadArtifactError
from demagnify.transforms.super_resolution.ncnn_format import Layer, Weights
from demagnify.transforms.super_resolution.network import Network

RGB: Final = 3

SRMD_PADDING: Final = 12
"""Pixels around the image that SRMD's portable build repeats the border by."""

SRMD_KERNEL: Final = (
    *(-1.12360956e-08, -1.36899159e-08, 1.85637958e-02, 2.86066886e-08, 3.35292965e-02),
    *(8.37272935e-08, -2.54424009e-07, -3.16234976e-02, -1.35169253e-02, -1.10466090e-08),
    *(3.84753793e-02, 3.79465739e-08, -2.44916752e-01, -8.02213490e-01, -5.40549755e-01),
)
"""The blur that SRMD is told to undo, the bicubic one, in the 15 principal components of its
training (the numbers are those of its portable build)."""

_RELU, _LEAKY_RELU = 1, 2
_ACTIVATION, _SLOPE = 9, -23310


class Padded(nn.Module):
    """Repeats the image's border, appends constant channels, runs layers and cuts the border off.

    Args:
        layers: Map images (N, 3 + C, H, W) to enlarged RGB images.
        padding: Pixels around the image that are repeated.
        cut: Pixels of the result to cut off on each side.
        constants: The values of the C channels that ride with the image.
    """

    def __init__(
        self, layers: nn.Module, *, padding: int, cut: int, constants: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self.layers = layers
        self._padding = padding
        self._cut = cut
        values = torch.tensor(constants).reshape(1, -1, 1, 1)
        self.register_buffer("constants", values, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) in [0, 1] to enlarged ones."""
        padded = functional.pad(images, (self._padding,) * 4, mode="replicate")
        count, _, height, width = padded.shape
        constants = self.get_buffer("constants").to(padded.dtype).expand(count, -1, height, width)
        enlarged: torch.Tensor = self.layers(torch.cat([padded, constants], dim=1))
        cut = slice(self._cut, -self._cut or None)
        return enlarged[..., cut, cut]


def from_layers(layers: Sequence[Layer], weights: Sequence[Weights], *, name: str) -> Network:
    """Makes the network of a `.param` file whose layers follow one another.

    Args:
        layers: All layers of the file.
        weights: The weights of those that have some, in the same order.
        name: What to call it in messages.

    Raises:
        BadArtifactError: If it is neither SRMD nor waifu2x.
    """
    remaining = iter(weights)
    modules = [module for layer in layers for module in _modules(layer, remaining, name)]
    chain = nn.Sequential(*modules).eval()
    channels = weights[0]["weight"].shape[1]
    if isinstance(modules[-1], nn.PixelShuffle) and channels == RGB + len(SRMD_KERNEL):
        scale = modules[-1].upscale_factor
        module = Padded(
            chain, padding=SRMD_PADDING, cut=SRMD_PADDING * scale, constants=SRMD_KERNEL
        )
        return Network(module, scale=scale)
    if isinstance(modules[-1], nn.ConvTranspose2d) and channels == RGB:
        convolutions = sum(isinstance(module, nn.Conv2d) for module in modules)
        return Network(Padded(chain, padding=convolutions + 1, cut=0), scale=2)
    raise BadArtifactError(f"{name} is neither SRMD nor waifu2x")


def _modules(layer: Layer, weights: Iterator[Weights], name: str) -> list[nn.Module]:
    if layer.kind == "Input":
        return []
    if layer.kind == "PixelShuffle":
        return [nn.PixelShuffle(layer.number(0))]
    if layer.kind == "Convolution":
        return [_convolution(layer, next(weights)), *_activation(layer)]
    if layer.kind == "Deconvolution":
        return [_deconvolution(layer, next(weights)), *_activation(layer)]
    raise BadArtifactError(f"{name} has a layer that is not known: {layer.kind}")


def _convolution(layer: Layer, weights: Weights) -> nn.Module:
    outputs, inputs, side, _ = weights["weight"].shape
    module = nn.Conv2d(inputs, outputs, side, padding=layer.number(4))
    module.load_state_dict(weights)
    return module


def _deconvolution(layer: Layer, weights: Weights) -> nn.Module:
    outputs, inputs, side, _ = weights["weight"].shape
    module = nn.ConvTranspose2d(
        inputs, outputs, side, stride=layer.number(3), padding=layer.number(4)
    )
    module.load_state_dict({**weights, "weight": weights["weight"].transpose(0, 1)})
    return module


def _activation(layer: Layer) -> list[nn.Module]:
    kind = layer.number(_ACTIVATION)
    if kind == _RELU:
        return [nn.ReLU()]
    if kind == _LEAKY_RELU:
        return [nn.LeakyReLU(float(layer.settings[_SLOPE].split(",")[1]))]
    return []
