"""SRResNet and SRGAN x4 with the weights that Martin Krasser trained in Keras.

Both are the generator of Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a
Generative Adversarial Network" (CVPR 2017): sixteen residual blocks, then two enlargements by
two. SRResNet is trained for least squared error, SRGAN against a discriminator.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from demagnify.core.errors import AssetError
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

if TYPE_CHECKING:
    import h5py

_KERAS_EPSILON = 1e-3  # Keras' batch normalisation; PyTorch's default is 1e-5
_BLOCKS = 16
_FEATURES = 64
_SHUFFLE = 2


class ResidualBlock(nn.Module):
    """Two convolutions with batch normalisation beside an identity path."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1),
            nn.BatchNorm2d(_FEATURES, eps=_KERAS_EPSILON),
            nn.PReLU(_FEATURES),
            nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1),
            nn.BatchNorm2d(_FEATURES, eps=_KERAS_EPSILON),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps features (N, 64, H, W) to features of the same shape."""
        change: torch.Tensor = self.body(features)
        return features + change


class SRResNet(nn.Module):
    """The generator of SRGAN, x4: RGB in [0, 1] to RGB in [0, 1], any size."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, _FEATURES, 9, padding=4), nn.PReLU(_FEATURES))
        self.body = nn.Sequential(
            *(ResidualBlock() for _ in range(_BLOCKS)),
            nn.Conv2d(_FEATURES, _FEATURES, 3, padding=1),
            nn.BatchNorm2d(_FEATURES, eps=_KERAS_EPSILON),
        )
        self.tail = nn.Sequential(
            *self._enlarge(), *self._enlarge(), nn.Conv2d(_FEATURES, 3, 9, padding=4), nn.Tanh()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) to images (N, 3, 4H, 4W)."""
        features = self.head(images)
        signed: torch.Tensor = self.tail(features + self.body(features))
        return (signed + 1) / 2

    @staticmethod
    def _enlarge() -> list[nn.Module]:
        return [
            nn.Conv2d(_FEATURES, _FEATURES * _SHUFFLE**2, 3, padding=1),
            nn.PixelShuffle(_SHUFFLE),
            nn.PReLU(_FEATURES),
        ]


def load(path: Path) -> Network:
    """Reads the Keras weights at `path` into an `SRResNet`.

    Raises:
        AssetError: If the file does not hold the weights of this network.
    """
    import h5py  # only for the two files of these networks

    network = SRResNet()
    try:
        with h5py.File(path) as file:
            _copy_weights(file, network)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise AssetError(f"{path} does not hold the Keras weights of SRResNet: {error}") from error
    return Network(network.eval(), scale=4)


def _copy_weights(file: h5py.File, network: SRResNet) -> None:
    """Copies layer by layer: both networks have the layers of a kind in the same order."""
    modules = list(network.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    activations = [module for module in modules if isinstance(module, nn.PReLU)]
    for index, convolution in enumerate(convolutions):
        layer = _layer(file, "conv2d", index)
        kernel, bias = _hwio_to_oihw(layer["kernel:0"][()]), layer["bias:0"][()]
        if len(bias) == _FEATURES * _SHUFFLE**2:
            order = _torch_shuffle_order(len(bias))
            kernel, bias = kernel[order], bias[order]
        _assign(convolution, weight=kernel, bias=bias)
    for index, norm in enumerate(norms):
        layer = _layer(file, "batch_normalization_v1", index)
        _assign(
            norm,
            weight=layer["gamma:0"][()],
            bias=layer["beta:0"][()],
            running_mean=layer["moving_mean:0"][()],
            running_var=layer["moving_variance:0"][()],
            num_batches_tracked=np.array(0),
        )
    for index, activation in enumerate(activations):
        _assign(activation, weight=_layer(file, "p_re_lu", index)["alpha:0"][()].reshape(-1))


def _layer(file: h5py.File, kind: str, index: int) -> h5py.Group:
    name = f"{kind}_{index}" if index else kind
    return file[name][name]


def _assign(module: nn.Module, **arrays: np.ndarray) -> None:
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})


def _hwio_to_oihw(kernel: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def _torch_shuffle_order(channels: int) -> np.ndarray:
    """Where each channel of PyTorch's pixel shuffle stands in TensorFlow's depth-to-space.

    PyTorch numbers channels (feature, row, column), TensorFlow (row, column, feature).
    """
    numbers = np.arange(channels).reshape(_SHUFFLE, _SHUFFLE, channels // _SHUFFLE**2)
    return numbers.transpose(2, 0, 1).reshape(-1)


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    return Loaded(load(path), (path,))


READERS.add("keras", Reader(_read))
