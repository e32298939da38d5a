"""Networks in ncnn's format, the `.param` and `.bin` of Real-ESRGAN's portable builds.

Two architectures are known to spandrel: RRDB (ESRGAN; Wang et al. 2018) and the compact SRVGG of
Real-ESRGAN (Wang et al. 2021). Their weights are read in the order of the file and given to it
under the names that the original PyTorch files use. Two others, plain chains of layers, are built
in `ncnn_chain`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from demagnify.core.errors import BadArtifactError
from demagnify.core.imports import brief
from demagnify.transforms.super_resolution import ncnn_chain, spandrel
from demagnify.transforms.super_resolution.ncnn_format import Layer, read_bin, read_param
from demagnify.transforms.super_resolution.network import Network
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

_CHAIN: Final = frozenset({"Input", "Convolution", "Deconvolution", "PixelShuffle"})
_KNOWN: Final = frozenset({"BinaryOp", "Concat", "Eltwise", "Interp", "PReLU", "Split"})
"""Further layers of the two networks that spandrel builds."""


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
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        raise BadArtifactError(
            f"{param} and {binary.name} do not fit each other: {brief(error)}"
        ) from error


def _build(param: Path, data: bytes, layers: list[Layer]) -> Network:
    kinds = {layer.kind for layer in layers}
    weights = read_bin(data, layers, name=f"{param.stem}.bin")
    if not weights:
        raise BadArtifactError(f"{param} has no layer with weights")
    if kinds <= _CHAIN:
        return ncnn_chain.from_layers(layers, weights, name=param.name)
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


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    if path.is_dir():
        param, binary = next(path.glob("*.param")), next(path.glob("*.bin"))
    else:
        param, binary = path, path.with_suffix(".bin")
    return Loaded(read(param, binary), (param, binary))


READERS.add("ncnn", Reader(_read, (".param",)))
