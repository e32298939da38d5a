"""The main door: whatever published network spandrel recognises, from the user's own file."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
from torch import nn

from demagnify.attacks.networks.network import Network
from demagnify.errors import BadArtifactError

SUFFIXES: Final = frozenset({".pth", ".ckpt", ".safetensors"})

_UNREADABLE = (
    *(OSError, SafetensorError, RuntimeError, EOFError),
    *(ValueError, KeyError, TypeError, AttributeError),  # content that is no table of tensors
)

Weights = dict[str, torch.Tensor]


class Described(nn.Module):
    """A network that spandrel knows, with the padding that its architecture asks for."""

    def __init__(self, descriptor: ImageModelDescriptor[nn.Module]) -> None:
        super().__init__()
        self.module = descriptor.model
        self._descriptor = descriptor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 3, H, W) in [0, 1] to enlarged ones, clipped to [0, 1]."""
        enlarged: torch.Tensor = self._descriptor(images)
        return enlarged


def load(path: Path) -> Network:
    """Reads a super-resolution network from a `.pth`, `.ckpt` or `.safetensors` file.

    Pickles are read by spandrel's unpickler, which makes tensors and nothing else.

    Raises:
        BadArtifactError: If the file is missing, damaged, no weights, of an architecture that
            spandrel does not know, or not a super-resolution network for RGB images.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadArtifactError(
            f"{path} is no file of network weights",
            hint=f"use one of {', '.join(sorted(SUFFIXES))}",
        )
    if not path.is_file():
        raise BadArtifactError(f"{path}: there is no such file")
    try:
        weights = ModelLoader("cpu").load_state_dict_from_file(path)
    except pickle.UnpicklingError as error:
        raise BadArtifactError(
            f"{path} is a pickle of something else than weights; it was not loaded: {error}"
        ) from error
    except _UNREADABLE as error:
        raise BadArtifactError(f"{path} is damaged or no file of weights: {error}") from error
    return from_weights(weights, name=str(path))


def from_weights(weights: Weights, *, name: str) -> Network:
    """Makes the network that has these weights; the architecture is told by their names.

    Args:
        weights: Tensors by name, as in the file that the network was published in.
        name: What to call it in messages.

    Raises:
        BadArtifactError: As `load`.
    """
    descriptor = recognise(weights, name=name)
    return Network(Described(descriptor).eval(), scale=descriptor.scale)


def recognise(weights: Weights, *, name: str) -> ImageModelDescriptor[nn.Module]:
    """Returns what spandrel knows of a super-resolution network; see `from_weights`."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.meshgrid")  # old code in some networks
            descriptor = ModelLoader("cpu").load_from_state_dict(weights)
    except UnsupportedModelError as error:
        raise BadArtifactError(
            f"{name}: spandrel knows no network with these weights",
            hint="from_callable makes an attack of any Python function",
        ) from error
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadArtifactError(f"{name}: the weights fit no network: {error}") from error
    if not isinstance(descriptor, ImageModelDescriptor) or descriptor.scale < 2:
        raise BadArtifactError(f"{name} does not enlarge images; it is no super-resolution network")
    if (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise BadArtifactError(
            f"{name} maps {descriptor.input_channels} channels to {descriptor.output_channels}; "
            "a network for RGB images is needed"
        )
    return descriptor
