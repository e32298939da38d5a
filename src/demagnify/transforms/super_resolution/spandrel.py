"""Reads any published network that spandrel recognises, from the user's own file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Final, TypeAlias

import torch
from spandrel import (
    MAIN_REGISTRY,
    ImageModelDescriptor,
    ModelLoader,
    ModelTiling,
    UnsupportedModelError,
)
from torch import nn
from torch.nn import functional

from demagnify.core import weights
from demagnify.core.errors import BadArtifactError, BadConfigError
from demagnify.core.imports import brief
from demagnify.core.weights import Weights
from demagnify.transforms.super_resolution import edsr
from demagnify.transforms.super_resolution.network import Alone, FaceRestorer, Network, Seeded
from demagnify.transforms.super_resolution.readers import READERS, Loaded, Reader

SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt", ".safetensors"})

_RANDOM: Final = frozenset({"AuraSR", "GFPGAN"})
"""Architectures that draw noise in each call."""

_ALONE: Final = frozenset({"DRUNet", "IPT", "SeemoRe"})
"""Architectures whose code takes one image at a time, or chooses one way through for a batch."""

_CHANNELS_FIRST: Final = frozenset({"FFTformer", "IPT"})
"""Architectures whose weights or code want the usual layout."""

Descriptor: TypeAlias = ImageModelDescriptor[nn.Module]


class Described(nn.Module):
    """A network in spandrel's wrapper: the input is padded, the result clipped."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__()
        self.module = descriptor.model
        self._descriptor = descriptor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) in [0, 1] to enlarged ones, clipped to [0, 1]."""
        enlarged: torch.Tensor = self._descriptor(images)
        return enlarged


class Unclipped(nn.Module):
    """The same without clipping, padded to a multiple that suits the architecture."""

    def __init__(self, descriptor: Descriptor) -> None:
        super().__init__()
        self.module = descriptor.model
        self._scale = descriptor.scale
        self._needs = descriptor.size_requirements

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) of any range to enlarged ones."""
        height, width = images.shape[-2:]
        right, below = self._needs.get_padding(width, height)
        padded = functional.pad(images, (0, right, 0, below), "replicate")
        enlarged = self.module(padded)
        if not isinstance(enlarged, torch.Tensor):
            raise BadConfigError(
                f"{type(self.module).__name__} gives more than an image; it cannot be fed BGR 0-255"
            )
        return enlarged[..., : height * self._scale, : width * self._scale]


def load(path: Path) -> Network:
    """Reads a network from a `.pth`, `.pt`, `.ckpt` or `.safetensors` file.

    Raises:
        BadArtifactError: If the file is missing, damaged, no weights, of an architecture that
            is not known, or not a network that maps RGB images to RGB images.
    """
    if os.path.isfile(path) and path.suffix.lower() not in SUFFIXES:  # noqa: PTH113  a long path
        raise BadArtifactError(
            f"{path} is no file of network weights",
            hint=f"use one of {', '.join(sorted(SUFFIXES))}, .onnx, ncnn's .param beside its "
            ".bin, or a Python function as package.module:function",
        )
    network = from_weights(weights.read(path), name=str(path))
    if not all(weight.isfinite().all() for weight in network.module.parameters()):
        raise BadArtifactError(
            f"{path} holds weights that are no finite number",
            hint="take an earlier checkpoint: its training came to grief",
        )
    return network


def from_weights(tensors: Weights, *, name: str) -> Network:
    """Makes the network that has these weights; their names show the architecture.

    Args:
        tensors: By name, as in the file that the network was published in.
        name: What to call it in messages.

    Raises:
        BadArtifactError: As `load`.
    """
    tensors = next(filter(_is_known, weights.without_prefixes(tensors)), tensors)
    if edsr.detect(tensors):
        return edsr.from_weights(tensors, name=name)
    descriptor = recognise(tensors, name=name)
    tiles = descriptor.tiling is not ModelTiling.INTERNAL
    bfloat16 = descriptor.supports_bfloat16
    module: nn.Module = Described(descriptor)
    unclipped: nn.Module = Unclipped(descriptor)
    kind = descriptor.architecture.id
    if kind in _RANDOM | _ALONE:
        one_by_one = Seeded if kind in _RANDOM else Alone
        module, unclipped = one_by_one(module), one_by_one(unclipped)
    if descriptor.purpose == "FaceSR":
        restorer = FaceRestorer(module).eval()
        return Network(restorer, scale=1, any_range=False, tiles=False, bfloat16=bfloat16)
    return Network(
        module.eval(),
        scale=descriptor.scale,
        unclipped=unclipped.eval(),
        tiles=tiles,
        bfloat16=bfloat16,
        channels_last=kind not in _CHANNELS_FIRST,
    )


def _is_known(weights: Weights) -> bool:
    known = (entry.architecture for entry in MAIN_REGISTRY.architectures("detection"))
    return edsr.detect(weights) or any(one.detect(weights) for one in known)


def recognise(weights: Weights, *, name: str) -> Descriptor:
    """Returns spandrel's description of a network for RGB images; see `from_weights`."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.meshgrid")  # old code in some networks
            descriptor = ModelLoader("cpu").load_from_state_dict(weights)
    except UnsupportedModelError as error:
        raise BadArtifactError(
            f"{name}: spandrel knows no super-resolution network with these weights",
            hint="give a Python function as package.module:function",
        ) from error
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise BadArtifactError(f"{name}: the weights fit no network: {brief(error)}") from error
    if not isinstance(descriptor, ImageModelDescriptor):
        raise BadArtifactError(f"{name} fills holes in images; it is no super-resolution network")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise BadArtifactError(
            f"{name} maps {descriptor.input_channels} channels to {descriptor.output_channels}; "
            "a network for RGB images is needed"
        )
    return descriptor


def _read(path: Path, /, *, scale: int | None, device: str) -> Loaded:  # noqa: ARG001
    return Loaded(load(path), (path,))


READERS.add("spandrel", Reader(_read, tuple(sorted(SUFFIXES))))
