"""Which device computes, and in which precision."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from demagnify.core.errors import BadConfigError

if TYPE_CHECKING:  # torch is imported where it is used: `Precision` needs none
    import torch

Precision = Literal["auto", "float32", "bfloat16"]


def pick_device(name: str = "auto") -> torch.device:
    """Returns the device called `name`; "auto" is a GPU where there is one, else the CPU.

    Raises:
        BadConfigError: If the device does not exist on this machine.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    refusal = BadConfigError(
        f"the device {name!r} is not available here", hint="use auto, cpu or cuda"
    )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise refusal from error
    if device.type not in ("cpu", "cuda"):
        raise refusal
    return device


@cache
def _cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; without, it is slower."""
    import torch

    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool((probe and probe()) or (amx and amx()))


def computes_in_bfloat16(device: torch.device, precision: Precision) -> bool:
    """Whether networks run in bfloat16 on `device` when `precision` is asked for.

    Raises:
        BadConfigError: If `precision` is not one of "auto", "float32", "bfloat16".
    """
    if precision not in get_args(Precision):
        raise BadConfigError(f"precision is one of {get_args(Precision)}, not {precision!r}")
    if precision != "auto":
        return precision == "bfloat16"
    import torch

    return _cpu_has_bfloat16() if device.type == "cpu" else torch.cuda.is_bf16_supported()


def autocast(
    device: torch.device, precision: Precision = "auto"
) -> contextlib.AbstractContextManager[object]:
    """Returns the context in which a network's forward pass runs; see `computes_in_bfloat16`."""
    if computes_in_bfloat16(device, precision):
        import torch

        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
