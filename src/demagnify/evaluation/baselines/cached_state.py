"""A state encoder that encodes no image twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import torch

from demagnify.agents.states import DetectorOutput, StateEncoder
from demagnify.core.specs import Wrapper

if TYPE_CHECKING:
    from demagnify.scores import DetectorLike


MOST: Final = 4096
"""Numbers per state above which nothing is cached: such a state is the image itself, or nearly."""
_LIMIT_BYTES: Final = 512 * 2**20


@dataclass(frozen=True)
class CachedState(Wrapper, StateEncoder):
    """Another encoder, whose states are cached by the images' content.

    Baselines, folds and learned defences encode the same faces many times; a digest of a face costs
    a tenth of its spectrum.

    Attributes:
        inner: The encoder; bound to its detector where it needs one.
    """

    family = "cached"
    inner: StateEncoder
    _known: dict[bytes, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def around(cls, inner: StateEncoder, image_size: int) -> StateEncoder:
        """Returns `inner` with a cache where its states are small enough."""
        return cls(inner) if inner.size(image_size) <= MOST else inner

    def __post_init__(self) -> None:
        """Takes over the needs of the inner encoder."""
        object.__setattr__(self, "needs", self.inner.needs)

    def bind(self, detector: DetectorLike) -> Self:  # noqa: ARG002
        """Returns itself: the inner encoder is bound already."""
        return self

    def size(self, image_size: int) -> int:
        """That of the inner encoder."""
        return self.inner.size(image_size)

    def encode(self, images: torch.Tensor, opinion: DetectorOutput | None) -> torch.Tensor:
        """Returns the states, computing only those of new images."""
        pixels = images.cpu().contiguous().flatten(1).numpy()
        keys = [hashlib.blake2b(row.data, digest_size=16).digest() for row in pixels]
        new = [place for place, key in enumerate(keys) if key not in self._known]
        states = torch.empty(len(keys), self.size(images.shape[-1]), device=images.device)
        if new:
            states[new] = self.inner(images[new], _some(opinion, new))
        for place, key in enumerate(keys):
            if key in self._known:
                states[place] = self._known[key].to(images.device)
        if (len(self._known) + len(new)) * states.shape[1] * 4 <= _LIMIT_BYTES:
            for place in new:
                self._known[keys[place]] = states[place].clone()
        return states


def _some(opinion: DetectorOutput | None, rows: list[int]) -> DetectorOutput | None:
    if opinion is None:
        return None
    embedding = None if opinion.embedding is None else opinion.embedding[rows]
    return DetectorOutput(opinion.logits[rows], embedding)
