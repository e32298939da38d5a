"""Ordinary filters as an attack: what an attacker can do without any network.

They also stand in for networks in training: a defence that learned on them has seen no
super-resolution at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.attacks.resampling import check_size
from demagnify.transforms.degradations import DEGRADATIONS, Degrader
from demagnify.transforms.degradations.degrader import content_indices

FAMILY: Final = "filters"
SMALLEST: Final = 2


class FilterAttack(Attack):
    """Degrades each image in one way, drawn with its settings from the image's own pixels.

    Args:
        kinds: The degradations to draw from; all by default.

    Raises:
        UnknownNameError: If a degradation is not registered.
    """

    def __init__(self, kinds: Sequence[str] | None = None) -> None:
        self._degrader = Degrader(kinds)
        everything = self._degrader.names == tuple(DEGRADATIONS)
        super().__init__(FAMILY if everything else "-".join([FAMILY, *self._degrader.names]))

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the degraded images; computed on the CPU."""
        check_size(images, SMALLEST)
        indices = content_indices(images)
        numbers = 1 + indices % len(self._degrader.names)
        return self._degrader(images, numbers.astype(np.int64), indices, epoch=0)

    def fingerprint(self) -> str:
        """Returns the kinds and the version of the procedure."""
        return f"filters v2 {' '.join(self._degrader.names)}"
