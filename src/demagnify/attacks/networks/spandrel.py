"""The main door: whatever published network spandrel recognises, from the user's own file."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Final, TypeAlias

import torch
from safetensors import SafetensorError
from spandrel import (
    ImageModelDescriptor,
    ModelLoader,
    ModelTiling,
    UnsupportedModelError,
    canonicalize_state_dict,
)
from torch import nn
from torch.nn import functional

from demagnify.attacks.networks import edsr
from demagnify.attacks.networks.faces import FaceRestorer
from demagnify.attacks.networks.network import Network
from demagnify.attacks.networks.seeded import Seeded
from demagnify.errors import BadArtifactError, BadConfigError

SUFFIXES: Final = frozenset({".pth", ".pt", ".ckpt", ".safetensors"})

_RANDOM: Final = frozenset({"AuraSR", "GFPGAN"})
"""Architectures that draw noise in each call."""

_UNREADABLE = (
    *(OSError, SafetensorError, RuntimeError, EOFError),
    *(ValueError, KeyError, TypeError, AttributeError),  # content that is no table of tensors
)

Weights = dict[str, torch.Tensor]
Descriptor: TypeAlias = ImageModelDescriptor[nn.Module]


class Described(nn.Module):
    """A network that spandrel knows, as spandrel calls it: padded, its result clipped."""

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

    Pickles are read by an unpickler that makes tensors and nothing else.

    Raises:
        BadArtifactError: If the file is missing, damaged, no weights, of an architecture that
            is not known, or not a network that maps RGB images to RGB images.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadArtifactError(
            f"{path} is no file of network weights",
            hint=f"use one of {', '.join(sorted(SUFFIXES))}",
        )
    if not path.is_file():
        raise BadArtifactError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise BadArtifactError(f"{path}: the file is empty")
    try:
        weights = _read(path)
    except pickle.UnpicklingError as error:
        raise BadArtifactError(
            f"{path} is a pickle of something else than weights; it was not loaded: "
            f"{_first_line(error)}"
        ) from error
    except _UNREADABLE as error:
        raise BadArtifactError(
            f"{path} is damaged or no file of weights: {_first_line(error)}"
        ) from error
    return from_weights(weights, name=str(path))


def _read(path: Path) -> Weights:
    if path.suffix.lower() != ".pt":
        published: Weights = ModelLoader("cpu").load_state_dict_from_file(path)
        return published
    # spandrel takes .pt for TorchScript, a program; torch.load refuses programs, and reads weights.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*TorchScript archive")
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    weights: Weights = canonicalize_state_dict(loaded)
    return weights


def _first_line(error: Exception) -> str:
    """The first sentence of what torch says; the rest is advice on how to run foreign code."""
    return str(error).strip().split("\n", 1)[0].split(". ", 1)[0]


def from_weights(weights: Weights, *, name: str) -> Network:
    """Makes the network that has these weights; the architecture is told by their names.

    Args:
        weights: Tensors by name, as in the file that the network was published in.
        name: What to call it in messages.

    Raises:
        BadArtifactError: As `load`.
    """
    if edsr.detect(weights):
        return edsr.from_weights(weights, name=name)
    descriptor = recognise(weights, name=name)
    tiles = descriptor.tiling is not ModelTiling.INTERNAL
    bfloat16 = descriptor.supports_bfloat16
    module: nn.Module = Described(descriptor)
    unclipped: nn.Module = Unclipped(descriptor)
    if descriptor.architecture.id in _RANDOM:
        module, unclipped = Seeded(module), Seeded(unclipped)
    if descriptor.purpose == "FaceSR":
        restorer = FaceRestorer(module).eval()
        return Network(restorer, scale=1, any_range=False, tiles=False, bfloat16=bfloat16)
    return Network(
        module.eval(),
        scale=descriptor.scale,
        unclipped=unclipped.eval(),
        tiles=tiles,
        bfloat16=bfloat16,
    )


def recognise(weights: Weights, *, name: str) -> Descriptor:
    """Returns what spandrel knows of a network for RGB images; see `from_weights`."""
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
        raise BadArtifactError(
            f"{name}: the weights fit no network: {_first_line(error)}"
        ) from error
    if not isinstance(descriptor, ImageModelDescriptor):
        raise BadArtifactError(f"{name} fills holes in images; it is no super-resolution network")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise BadArtifactError(
            f"{name} maps {descriptor.input_channels} channels to {descriptor.output_channels}; "
            "a network for RGB images is needed"
        )
    return descriptor
