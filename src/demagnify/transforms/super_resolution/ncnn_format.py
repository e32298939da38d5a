"""The files of ncnn: `.param`, the layers as text, and `.bin`, their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from demagnify.core.errors import AssetError

_MAGIC = "7767517"
_FLOAT16 = 0x01306B47
_FLOAT32 = 0

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
