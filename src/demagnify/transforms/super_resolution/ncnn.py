"""Super-resolution networks in ncnn's format: `.param`, the layers as text, `.bin`, their weights.

spandrel builds two architectures, of which Real-ESRGAN's portable builds are: RRDB (ESRGAN; Wang
et al. 2018) and the compact SRVGG (Wang et al. 2021). Their weights are read in the order of the
file, and named as in the original PyTorch files. Two others are plain chains of layers and are
built here: SRMD (Zhang, Zuo and Zhang, "Learning a Single Convolutional Super-Resolution Network
for Multiple Degradations", CVPR 2018) and waifu2x (nagadomi's UpConv-7, trained on photographs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import AssetError, BadArtifactError
from demagnify.core.imports import brief
from demagnify.transforms.super_resolution import spandrel
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

_MAGIC = "7767517"
_FLOAT16 = 0x01306B47
_FLOAT32 = 0

_CHAIN: Final = frozenset({"Input", "Convolution", "Deconvolution", "PixelShuffle"})
_KNOWN: Final = frozenset({"BinaryOp", "Concat", "Eltwise", "Interp", "PReLU", "Split"})
"""Further layers of the two networks that spandrel builds."""

RGB: Final = 3

SRMD_PADDING: Final = 12
"""Pixels around the image that SRMD's portable build repeats the border by."""

SRMD_KERNEL: Final = (
    *(-1.12360956e-08, -1.36899159e-08, 1.85637958e-02, 2.86066886e-08, 3.35292965e-02),
    *(8.37272935e-08, -2.54424009e-07, -3.16234976e-02, -1.35169253e-02, -1.10466090e-08),
    *(3.84753793e-02, 3.79465739e-08, -2.44916752e-01, -8.02213490e-01, -5.40549755e-01),
)
"""The blur that SRMD undoes, the bicubic one, in the 15 principal components of its
training (the numbers are those of its portable build)."""

_RELU, _LEAKY_RELU = 1, 2
_ACTIVATION, _SLOPE = 9, -23310

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Layer:
    """One line of a `.param` file: the kind of layer and its numbered settings."""

    kind: str
    settings: dict[int, str]

    def number(self, key: int) -> int:
        """Returns a setting as a whole number; ncnn's default is 0."""
        return int(self.settings.get(key, "0"))


def read_param(text: str, *, name: str) -> list[Layer]:
    """Parses a `.param` file: a magic number, two counts, and one layer a line.

    Raises:
        AssetError: If it is not such a file.
    """
    lines = text.splitlines()
    if len(lines) < 3 or lines[0].strip() != _MAGIC:
        raise AssetError(f"{name} is not an ncnn .param file")
    return [_parse_layer(line.split(), name) for line in lines[2:] if line.strip()]


def _parse_layer(fields: list[str], name: str) -> Layer:
    try:
        inputs, outputs = int(fields[2]), int(fields[3])
        pairs = (field.split("=", 1) for field in fields[4 + inputs + outputs :])
        return Layer(fields[0], {int(key): value for key, value in pairs})
    except (IndexError, ValueError) as error:
        raise AssetError(f"{name} has a line that is no layer: {' '.join(fields)[:80]}") from error


def read_bin(data: bytes, layers: list[Layer], *, name: str) -> list[Weights]:
    """Returns the weights of the layers that have some, in the order of the file.

    A convolution, either way, has "weight" (outputs, inputs, rows, columns) and "bias" (outputs,);
    a PReLU has "weight" (channels,).

    Raises:
        AssetError: If the file is cut off, longer than the layers, or stored in another way.
    """
    reader = _BinReader(data, name)
    weights: list[Weights] = []
    for layer in layers:
        if layer.kind in ("Convolution", "Deconvolution"):
            outputs, side = layer.number(0), layer.number(1)
            kernel = reader.tagged(layer.number(6)).reshape(outputs, -1, side, side)
            weights.append({"weight": kernel, "bias": reader.float32(outputs)})
        elif layer.kind == "PReLU":
            weights.append({"weight": reader.float32(layer.number(0))})
    reader.expect_end()
    return weights


class _BinReader:
    """Reads a `.bin` file from its start to its end."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._at = 0

    def tagged(self, count: int) -> torch.Tensor:
        """Reads a tag, and the numbers in the type of the tag, padded to four bytes."""
        tag = int.from_bytes(self._take(4), "little")
        if tag == _FLOAT32:
            return self.float32(count)
        if tag != _FLOAT16:
            raise AssetError(f"{self._name} stores weights in a way that is not known: {tag:#x}")
        values = np.frombuffer(self._take(2 * count), dtype="<f2")
        self._take(-2 * count % 4)
        return torch.from_numpy(values.astype(np.float32))

    def float32(self, count: int) -> torch.Tensor:
        """Reads plain numbers."""
        values = np.frombuffer(self._take(4 * count), dtype="<f4")
        return torch.from_numpy(values.astype(np.float32))

    def expect_end(self) -> None:
        if self._at != len(self._data):
            raise AssetError(f"{self._name} holds more weights than its network has")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise AssetError(f"{self._name} is cut off")
        self._at += count
        return taken


class Shrunk(nn.Module):
    """A network whose output is shrunk by a factor, as in the compact x2 and x3 files."""

    def __init__(self, module: nn.Module, factor: float) -> None:
        super().__init__()
        self.module = module
        self.factor = factor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Enlarges images (N, 3, H, W) and shrinks the result with ncnn's bicubic kernel."""
        enlarged = self.module(images).float()
        size = [round(side * self.factor) for side in enlarged.shape[-2:]]
        return functional.interpolate(enlarged, size=size, mode="bicubic", align_corners=False)


def read(param: Path, binary: Path) -> Network:
    """Reads the network of a `.param` file, whose weights are in a `.bin` file.

    Raises:
        AssetError: If the files are damaged.
        BadArtifactError: If one is missing, or they hold an architecture that is not known.
    """
    for path in (param, binary):
        if not path.is_file():
            raise BadArtifactError(
                f"{path}: there is no such file", hint="ncnn keeps a network in .param and .bin"
            )
    layers = read_param(param.read_text(encoding="ascii", errors="replace"), name=param.name)
    kinds = {layer.kind for layer in layers}
    if not kinds <= _CHAIN | _KNOWN:
        raise BadArtifactError(
            f"{param} has layers that are not known: {', '.join(sorted(kinds - _CHAIN - _KNOWN))}",
            hint="give the network's PyTorch file",
        )
    try:
        return _build(param, binary.read_bytes(), layers)
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise BadArtifactError(
            f"{param} and {binary.name} do not fit each other: {brief(error)}"
        ) from error


def _build(param: Path, data: bytes, layers: list[Layer]) -> Network:
    kinds = {layer.kind for layer in layers}
    weights = read_bin(data, layers, name=f"{param.stem}.bin")
    if not weights:
        raise BadArtifactError(f"{param} has no layer with weights")
    if kinds <= _CHAIN:
        return from_layers(layers, weights, name=param.name)
    is_srvgg = "PixelShuffle" in kinds
    names = (_srvgg_names if is_srvgg else _rrdb_names)(len(weights))
    if len(names) != len(weights):
        raise BadArtifactError(
            f"{param} is neither RRDB, compact SRVGG, SRMD nor waifu2x",
            hint="give the network's PyTorch file",
        )
    named = {
        f"{name}.{part}": array
        for name, parts in zip(names, weights, strict=True)
        for part, array in parts.items()
    }
    last = layers[-1]
    if last.kind != "Interp":
        return spandrel.from_weights(named, name=param.name)
    descriptor = spandrel.recognise(named, name=param.name)
    factor = float(last.settings[1])
    module = Shrunk(descriptor.model, factor)  # spandrel would clip before it is shrunk
    return Network(module.eval(), scale=round(descriptor.scale * factor))


def _srvgg_names(count: int) -> list[str]:
    """A chain of convolutions and PReLUs."""
    return [f"body.{index}" for index in range(count)]


def _rrdb_names(count: int) -> list[str]:
    """Residual blocks of three dense blocks of five convolutions, between six others."""
    blocks = [
        f"body.{block}.rdb{dense}.conv{convolution}"
        for block in range((count - 6) // 15)
        for dense in (1, 2, 3)
        for convolution in range(1, 6)
    ]
    return ["conv_first", *blocks, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]


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
        weights: The weights of the layers that have some, in the same order.
        name: Its name in messages.

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


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    if path.is_dir():
        param, binary = next(path.glob("*.param")), next(path.glob("*.bin"))
    else:
        param, binary = path, path.with_suffix(".bin")
    return Loaded(read(param, binary), (param, binary))


READERS.add("ncnn", Reader(_read, (".param",)))
