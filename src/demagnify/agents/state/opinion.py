"""States that are the detector's own view of the image; each costs one detector pass.

When the agent then leaves the pixels as they are, the verdict is known already and the pass is not
repeated.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from demagnify.agents.state.base import STATES, Need, Opinion, StateEncoder, not_bound
from demagnify.core.errors import BadConfigError

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike

_PROBE_SIDE = 64


@dataclass(frozen=True)
class OpinionState(StateEncoder):
    """A state made of the detector's opinion."""

    _detector: ClassVar[DetectorLike | None] = None

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        bound = copy.copy(self)
        object.__setattr__(bound, "_detector", detector)
        return bound

    def ask(self, images: torch.Tensor) -> Opinion:
        """Returns the detector's opinion of the images."""
        if self._detector is None:
            raise not_bound(self.name)
        return opinion_of(self._detector, images, self.needs)


@STATES.register("logit")
@dataclass(frozen=True)
class Logit(OpinionState):
    """The detector's logit of the image as it came."""

    family = "logit"

    @property
    def needs(self) -> Need:
        """The logit."""
        return "logit"

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns 1."""
        return 1

    def encode(self, images: torch.Tensor, opinion: Opinion | None) -> torch.Tensor:
        """Returns float32 (N, 1)."""
        if opinion is None:
            raise not_bound(self.name)
        return opinion.logits.to(images.device)[:, None]


@STATES.register("embedding")
@dataclass(frozen=True)
class Embedding(OpinionState):
    """What the detector's last layer sees of the image as it came, and the logit behind it.

    Only of detectors that are timm networks: a wrapped callable shows nothing but its logits.
    """

    family = "embedding"
    _width: ClassVar[int] = 0

    @property
    def needs(self) -> Need:
        """The embedding."""
        return "embedding"

    def bind(self, detector: DetectorLike) -> Self:
        """See `StateEncoder.bind`."""
        bound = super().bind(detector)
        side = getattr(detector, "input_size", 0) or _PROBE_SIDE
        probe = torch.zeros(1, 3, side, side, dtype=torch.uint8)
        seen = opinion_of(detector, probe, "embedding").embedding
        object.__setattr__(bound, "_width", 0 if seen is None else seen.shape[1])
        return bound

    def size(self, image_size: int) -> int:  # noqa: ARG002
        """Returns the inputs of the detector's last layer and one."""
        if not self._width:
            raise not_bound(self.name)
        return self._width + 1

    def encode(self, images: torch.Tensor, opinion: Opinion | None) -> torch.Tensor:
        """Returns float32 (N, E + 1), the logit last."""
        if opinion is None or opinion.embedding is None:
            raise not_bound(self.name)
        seen = torch.cat([opinion.embedding, opinion.logits[:, None]], dim=1)
        return seen.to(images.device)


def opinion_of(detector: DetectorLike, images: torch.Tensor, need: Need) -> Opinion:
    """Asks a detector about images, one pass.

    Args:
        detector: Who is asked.
        images: uint8 RGB (N, 3, H, W), N at least 1.
        need: Whether the embedding is wanted too.

    Raises:
        BadConfigError: If the embedding is wanted of a detector that does not show it.
    """
    if need != "embedding":
        return Opinion(detector.logits(images, batch_size=len(images)))
    caught: list[torch.Tensor] = []
    layer = _last_layer(detector)
    hook = layer.register_forward_pre_hook(lambda _layer, inputs: caught.append(inputs[0]))
    try:
        logits = detector.logits(images, batch_size=len(images))
    finally:
        hook.remove()
    return Opinion(logits, caught[0].detach().flatten(1).float().cpu())


def _last_layer(detector: DetectorLike) -> torch.nn.Module:
    network: Any = getattr(detector, "network", None)
    layer = network.get_classifier() if hasattr(network, "get_classifier") else None
    if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
        raise BadConfigError(
            "the state 'embedding' needs a detector whose network is timm's and ends in one layer",
            hint="the state 'logit' works with every detector",
        )
    return layer
