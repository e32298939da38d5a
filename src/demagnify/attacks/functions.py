"""Networks that are Python functions or modules, given as an object or as "package.module:name"."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Final

import torch
from torch import nn

from demagnify.attacks.networks.network import Network
from demagnify.attacks.super_resolution import SuperResolutionAttack
from demagnify.devices import Precision
from demagnify.errors import BadConfigError

Function = Callable[[torch.Tensor], torch.Tensor]

PROBE: Final = (48, 64)
"""Height and width of the image that tells by how much a function enlarges."""


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
        BadConfigError: If the scale is below 1 or the device does not exist.
    """
    if scale < 1:
        raise BadConfigError(f"{name}: a scale of {scale} does not enlarge", hint="use 1 or more")
    return SuperResolutionAttack(
        lambda: Network(_Called(function).eval(), scale),
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
        spec: "package.module:function"; what is called maps float32 RGB in [0, 1], shape
            (N, 3, H, W), to a larger image of the same kind.

    Returns:
        The network, and what tells it from others: the spec and the SHA-256 of its source file.

    Raises:
        BadConfigError: If it cannot be imported or called, or gives no enlarged RGB images.
    """
    function, source = _find(spec)
    module = _Called(function).eval()
    scale = _probe(module, spec)
    digest = hashlib.sha256(source).hexdigest()
    return Network(module, scale), f"function {spec} {digest}"


def _find(spec: str) -> tuple[Function, bytes]:
    place, _, name = spec.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(place)
    except Exception as error:
        raise BadConfigError(f"{spec}: {place} cannot be imported: {_told(error)}") from error
    try:
        function: Function = attrgetter(name)(module)
    except AttributeError as error:
        raise BadConfigError(f"{spec}: {place} has no {name}") from error
    if isinstance(function, type) or not callable(function):
        raise BadConfigError(
            f"{spec} is no function, and no module that can be called",
            hint="make the network at the top of the file, and give its name",
        )
    try:
        return function, Path(inspect.getsourcefile(module) or "").read_bytes()
    except (OSError, TypeError):
        return function, b""  # compiled modules have no source


def _probe(module: nn.Module, spec: str) -> int:
    """Returns by how much a network enlarges a small image."""
    height, width = PROBE
    try:
        with torch.inference_mode():
            result = module(torch.full((1, 3, height, width), 0.5))
    except Exception as error:
        raise BadConfigError(
            f"{spec} fails on float RGB images (1, 3, {height}, {width}): {_told(error)}"
        ) from error
    if not isinstance(result, torch.Tensor) or not result.is_floating_point():
        kind = result.dtype if isinstance(result, torch.Tensor) else type(result).__name__
        raise BadConfigError(f"{spec} gives {kind}, not a float tensor of RGB in [0, 1]")
    scale = result.shape[-1] // width
    if scale < 1 or tuple(result.shape) != (1, 3, height * scale, width * scale):
        raise BadConfigError(
            f"{spec} makes {tuple(result.shape)} of (1, 3, {height}, {width}); both sides must "
            "grow by the same whole number"
        )
    return scale


def _told(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
