"""Networks that are Python functions or modules, given as an object or as "package.module:name"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import nn

from demagnify.core import imports
from demagnify.core.devices import Precision
from demagnify.core.errors import BadConfigError, DemagnifyError
from demagnify.transforms.attacks.super_resolution import SuperResolutionAttack
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


def from_callable(
    function: Function,
    scale: int,
    name: str,
    *,
    device: str = "auto",
    precision: Precision = "float32",
) -> SuperResolutionAttack:
    """Makes an attack of any Python function or module that enlarges images.

    Args:
        function: Maps float32 RGB in [0, 1], shape (N, 3, H, W), to (N, 3, scale*H, scale*W);
            a `torch.nn.Module` is moved to the device and set to evaluation.
        scale: By how much it enlarges; 1 if it restores images without enlarging them.
        name: What to call the attack. Results are cached under it: choose another name when the
            function changes.
        device: Where it computes.
        precision: See `SuperResolutionAttack`.

    Raises:
        BadConfigError: If the scale is no whole number from 1, or the device does not exist.
    """
    if not isinstance(scale, int) or scale < 1:
        raise BadConfigError(
            f"{name}: a network cannot enlarge by {scale!r}", hint="use a whole number from 1"
        )
    return SuperResolutionAttack(
        lambda: Network(_Called(function).eval(), scale, channels_last=False),
        scale=scale,
        name=name,
        identity=f"callable {name}",
        device=device,
        precision=precision,
    )


def load(spec: str) -> tuple[Network, str]:
    """Imports a function or module, and finds out by how much it enlarges.

    The working folder is searched as well as the installed packages. The import runs the file's
    code: give only what you trust.

    Args:
        spec: "package.module:name" of a function, a module, or a class or function without
            arguments that makes one; what is called maps float32 RGB in [0, 1], shape
            (N, 3, H, W), to a larger image of the same kind.

    Returns:
        The network, and what tells it from others: the spec and `imports.identity`.

    Raises:
        BadConfigError: If it cannot be imported or called, or gives no enlarged RGB images.
    """
    found = imports.import_object(spec)
    function: Function = imports.make(found, spec, hint=_CALLED)
    module = _Called(function).eval().cpu()
    scale = _probe(module, spec)
    network = Network(module, scale, channels_last=False)
    return network, f"function {spec} {imports.identity(found, function, spec)}"


def _probe(module: nn.Module, spec: str) -> int:
    """Returns by how much a network enlarges a small image."""
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
