"""Any callable that gives one logit per image, as a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from demagnify.detectors.detector import Detector, check_finite
from demagnify.errors import BadArtifactError, BadConfigError

_NO_SCALING: Final = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class WrappedDetector(Detector):
    """A detector of which nothing is known but what it answers; see `wrap`."""

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], *, name: str, threshold: float
    ) -> None:
        mean, std = _NO_SCALING
        network = function if isinstance(function, nn.Module) else _Function(function)
        super().__init__(
            network,
            name=name,
            backbone="",
            input_size=0,
            mean=mean,
            std=std,
            threshold=threshold,
            precision="float32",
        )

    def score(self, images: torch.Tensor) -> torch.Tensor:
        """Returns what the wrapped callable says about the image batch, unchanged."""
        answer = self.network(images)
        if not isinstance(answer, torch.Tensor):
            raise BadConfigError(
                f"the detector {self.name!r} returned a {type(answer).__name__}, not a tensor",
                hint="return one logit per image, float32 of shape (N,)",
            )
        return check_finite(answer, self.name)

    def fingerprint(self) -> str:
        """See `Detector.fingerprint`.

        Raises:
            BadConfigError: If it wraps a bare function: nobody can say when that has changed.
        """
        if isinstance(self.network, _Function):
            raise BadConfigError(
                f"nothing tells whether the function of the detector {self.name!r} has changed",
                hint="wrap a torch.nn.Module, or subclass WrappedDetector with a fingerprint()",
            )
        return super().fingerprint()

    def save(self, folder: Path, card: Mapping[str, Any], *, half: bool = False) -> None:  # noqa: ARG002
        """Refuses: demagnify cannot build a wrapped callable again.

        Raises:
            BadArtifactError: Always.
        """
        raise BadArtifactError(
            f"the detector {self.name!r} wraps a callable and cannot be saved to {folder}",
            hint="save it your own way and wrap it again",
        )


class _Function(nn.Module):
    """A bare function as a module, so that a detector can hold it."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.function(images)


def wrap(
    function: Callable[[torch.Tensor], torch.Tensor], *, name: str, threshold: float = 0.0
) -> WrappedDetector:
    """Makes a detector of a callable or module that gives one logit per image.

    Args:
        function: Maps an image batch, uint8 RGB (N, 3, H, W), to (N,) or (N, 1) logits, higher
            meaning fake. Resizing and scaling are its own business. A module's parameters say
            on which device it gets its images; a function gets them where they are.
        name: What to call it in tables.
        threshold: A logit above it means fake.

    Returns:
        A detector whose every answer is checked: one finite number per image.

    Example:
        >>> sharp = wrap(lambda images: images.float().std(dim=(1, 2, 3)), name="sharp")
        >>> sharp(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
        tensor([0., 0.])
    """
    return WrappedDetector(function, name=name, threshold=threshold)
