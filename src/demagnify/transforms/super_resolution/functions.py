"""Networks that are Python functions or modules, given as an object or as "package.module:name"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn

from demagnify.core import imports
from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.transforms.super_resolution.network import PROBE, Network, scale_of

Function = Callable[[torch.Tensor], torch.Tensor]

_CALLED: Final = "a network maps float RGB in 0-1, (N, 3, H, W), to the same, enlarged"


class _Called(nn.Module):
    """Any function as a module; a function that is a module itself moves and evaluates with it."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.function(images)


def wrap(function: Function, scale: int, name: str) -> Network:
    """Returns any Python function or module that enlarges images as a network.

    Raises:
        BadConfigError: If the scale is no whole number from 1.
    """
    if not isinstance(scale, int) or scale < 1:
        raise BadConfigError(
            f"{name}: a network cannot enlarge by {scale!r}", hint="use a whole number from 1"
        )
    return Network(_Called(function).eval(), scale, channels_last=False)


def probe(found: Any, spec: str) -> tuple[Network, str]:  # noqa: ANN401  what a user imports
    """Makes a network of an imported object, and measures its scale.

    Args:
        found: A function, a module, or a class or function without arguments that makes one; it
            maps float32 RGB in [0, 1], shape (N, 3, H, W), to a larger image of the same kind.
        spec: The "package.module:name" that it was imported by.

    Returns:
        The network and its identity: the spec and `imports.identity`.

    Raises:
        BadConfigError: If it cannot be imported or called, or gives no enlarged RGB images.
    """
    function: Function = imports.make(found, spec, hint=_CALLED)
    module = _Called(function).eval().cpu()
    scale = _probe(module, spec)
    return Network(
        module, scale, channels_last=False
    ), f"function {spec} {imports.identity(found, function, spec)}"


def _probe(module: nn.Module, spec: str) -> int:
    """Returns the scale of a network, measured on a small image."""
    height, width = PROBE
    try:
        with torch.inference_mode():
            result = module(torch.full((1, 3, height, width), 0.5))
    except DemagnifyError:
        raise
    except Exception as error:  # whatever a user's code does
        raise BadConfigError(
            f"{spec} fails on float RGB images (1, 3, {height}, {width}): {imports.brief(error)}"
        ) from error
    return scale_of(result, spec)
