"""What tells whether stored results still belong to a detector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from demagnify.errors import BadConfigError


def tensors_fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """Returns the SHA-256 over names, dtypes, shapes and values, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def detector_fingerprint(detector: object) -> str:
    """Returns what a detector's logits depend on: its own `fingerprint()`, or its weights.

    Raises:
        BadConfigError: If it is a bare callable, of which nobody can say when it has changed.
    """
    own = getattr(detector, "fingerprint", None)
    if callable(own):
        return str(own())
    if isinstance(detector, torch.nn.Module):
        settings = f"{type(detector).__qualname__} {getattr(detector, 'input_size', None)}"
        return f"{settings} {tensors_fingerprint(detector.state_dict())}"
    raise BadConfigError(
        f"nothing tells whether the detector {detector!r} has changed since a result was stored",
        hint="give it a method fingerprint() -> str, or make it a torch.nn.Module",
    )
