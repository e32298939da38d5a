"""The states of a whole set of faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from demagnify.agents.state.base import Opinion, StateEncoder
from demagnify.data.dataset import FaceDataset

if TYPE_CHECKING:
    from demagnify.scores import RewardSource

KEEP_BELOW_BYTES: Final = 256 * 2**20


class FaceStates:
    """The states of a set of faces: kept where they are small, encoded when asked for otherwise.

    Args:
        source: The faces; or where rewards come from, whose detector is then asked where a state
            needs it, and whose known logits spare the asking.
        encoder: What the agent sees of them.
        device: Where states are computed and wanted.
    """

    def __init__(
        self, source: FaceDataset | RewardSource, encoder: StateEncoder, device: torch.device
    ) -> None:
        self._source = None if isinstance(source, FaceDataset) else source
        self.faces = source if isinstance(source, FaceDataset) else source.faces
        self.encoder = encoder if self._source is None else encoder.bind(self._source.detector)
        self.device = device
        self.size = self.encoder.size(self.faces.size)
        self._kept: torch.Tensor | None = None
        self._keep = len(self.faces) * self.size * 4 <= KEEP_BELOW_BYTES

    def __call__(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """Returns the states of the faces at `indices`, float32 (n, S)."""
        if not self._keep:
            return self._encode(indices, self.faces.batch(indices))
        if self._kept is None:
            self._kept = self.all()
        return self._kept[torch.from_numpy(indices).to(self.device)]

    def all(self) -> torch.Tensor:
        """Returns the states of all faces, float32 (N, S)."""
        states = torch.empty(len(self.faces), self.size, device=self.device)
        for indices, images in self.faces.batches(64):
            states[indices[0] : indices[-1] + 1] = self._encode(indices, images)
        return states

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns mean and standard deviation of each number over all faces, float32 (S,)."""
        total = torch.zeros(2, self.size, dtype=torch.float64, device=self.device)
        for indices, images in self.faces.batches(64):
            states = self._encode(indices, images).double()
            total += torch.stack([states.sum(0), states.square().sum(0)])
        mean, square = total / len(self.faces)
        return mean.float(), (square - mean.square()).clamp_(min=0.0).sqrt_().float()

    def _encode(self, indices: NDArray[np.int64], images: torch.Tensor) -> torch.Tensor:
        return self.encoder(images.to(self.device), self._known(indices))

    def _known(self, indices: NDArray[np.int64]) -> Opinion | None:
        """Returns the opinion that the source holds; asking it fills a table on the way."""
        if self._source is None or self.encoder.needs != "logit":
            return None
        untouched = np.zeros(len(indices), dtype=np.int64)
        return Opinion(torch.from_numpy(self._source.lookup(indices, untouched)))
