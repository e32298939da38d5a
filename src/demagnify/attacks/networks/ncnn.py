"""Networks in ncnn's format, the `.param` and `.bin` of Real-ESRGAN's portable builds.

Two architectures are known to spandrel: RRDB (ESRGAN; Wang et al. 2018) and the compact SRVGG of
Real-ESRGAN (Wang et al. 2021). Their weights are read in the order of the file and given to it
under the names that the original PyTorch files use. Two others, plain chains of layers, are built
in `ncnn_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from demagnify.attacks.networks import spandrel
from demagnify.attacks.networks.network import Network
from demagnify.errors import AssetError

_MAGIC = "7767517"
_FLOAT16 = 0x01306B47
_FLOAT32 = 0
_CHAIN = {"Input", "Convolution", "Deconvolution", "PixelShuffle"}

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Layer:
    """One line of a `.param` file: the kind of layer and its numbered settings."""

    kind: str
    settings: dict[int, str]

    def number(self, key: int) -> int:
        """Returns a setting as a whole number; ncnn's default is 0."""
        return int(self.settings.get(key, "0"))


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


def load(folder: Path) -> Network:
    """Reads the network in `folder`, which holds one `.param` and one `.bin` file.

    Raises:
        AssetError: If the files are damaged.
        BadArtifactError: If they hold an architecture that is not known.
    """
    param, binary = next(folder.glob("*.param")), next(folder.glob("*.bin"))
    layers = read_param(param.read_text(encoding="ascii"), name=param.name)
    weights = read_bin(binary.read_bytes(), layers, name=binary.name)
    kinds = {layer.kind for layer in layers}
    if kinds <= _CHAIN:
        from demagnify.attacks.networks import ncnn_chain  # it needs this module's readers

        return ncnn_chain.from_layers(layers, weights, name=param.name)
    is_srvgg = "PixelShuffle" in kinds
    names = (_srvgg_names if is_srvgg else _rrdb_names)(len(weights))
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
        """Reads a tag, and the numbers in the type that it tells, padded to four bytes."""
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
