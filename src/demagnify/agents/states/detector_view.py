"""States that are the detector's output for the original image; each costs one forward pass.

If the agent then chooses the identity, the logit is known already and the detector does not run
again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import torch

from demagnify.agents.states.base import STATES, DetectorOutput, Need, StateEncoder, not_bound
from demagnify.core.errors import BadConfigError

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike

_PROBE_SIDE: Final = 64


@dataclass(frozen=True)
class DetectorView(StateEncoder):
    """A state made of the detector's output."""

    _detector: ClassVar[DetectorLike | None] = None

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        bound = copy.copy(self)
        object.__setattr__(bound, "_detector", detector)
        return bound

    def detector_output(self, images: torch.Tensor) -> DetectorOutput:
        """See `StateEncoder.detector_output`."""
        if self._detector is None:
            raise not_bound(self.name)
        return run_detector(self._detector, images, self.needs)


@STATES.register("logit")
@dataclass(frozen=True)
class Logit(DetectorView):
    """The detector's logit of the original image."""

    family = "logit"
    needs = "logit"

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns 1."""
        return 1

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:
        """Returns float32 (N, 1)."""
        if output is None:
            raise not_bound(self.name)
        return output.logits.to(images.device)[:, None]


@STATES.register("embedding")
@dataclass(frozen=True)
class Embedding(DetectorView):
    """The input of the detector's last layer for the original image, and the logit.

    Only detectors whose network is timm's have it: a wrapped callable returns logits only.
    """

    family = "embedding"
    needs = "embedding"
    _width: ClassVar[int] = 0

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        bound = super().bind(detector)
        side = getattr(detector, "input_size", 0) or _PROBE_SIDE
        probe = torch.zeros(1, 3, side, side, dtype=torch.uint8)
        embedding = run_detector(detector, probe, "embedding").embedding
        object.__setattr__(bound, "_width", 0 if embedding is None else embedding.shape[1])
        return bound

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns the inputs of the detector's last layer and one."""
        if not self._width:
            raise not_bound(self.name)
        return self._width + 1

    def encode(self, images: torch.Tensor, output: DetectorOutput | None) -> torch.Tensor:
        """Returns float32 (N, E + 1), the logit last."""
        if output is None or output.embedding is None:
            raise not_bound(self.name)
        return torch.cat([output.embedding, output.logits[:, None]], dim=1).to(images.device)


def run_detector(detector: DetectorLike, images: torch.Tensor, need: Need) -> DetectorOutput:
    """Runs a detector on at least one image, with one forward pass.

    Raises:
        BadConfigError: If the embedding is needed and the detector does not provide it.
    """
    if need != "embedding":
        return DetectorOutput(detector.logits(images, batch_size=len(images)))
    inputs: list[torch.Tensor] = []
    layer = _last_layer(detector)
    hook = layer.register_forward_pre_hook(lambda _layer, given: inputs.append(given[0]))
    try:
        logits = detector.logits(images, batch_size=len(images))
    finally:
        hook.remove()
    return DetectorOutput(logits, inputs[0].detach().flatten(1).float().cpu())


def _last_layer(detector: DetectorLike) -> torch.nn.Module:
    network: Any = getattr(detector, "network", None)
    layer = network.get_classifier() if hasattr(network, "get_classifier") else None
    if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
        raise BadConfigError(
            "the state 'embedding' needs a detector whose network is timm's and ends in one layer",
            hint="the state 'logit' works with every detector",
        )
    return layer
