"""Several attacks one after the other: two passes, a second network, JPEG between."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from demagnify.core.errors import BadConfigError
from demagnify.transforms.attacks.base import Attack
from demagnify.transforms.attacks.spec import LINK_SIGN


class Chain(Attack):
    """Attacks images with each link in turn; between links they are 8-bit images of their own size.

    Args:
        links: The attacks in their order, at least one.

    Raises:
        BadConfigError: If there is no link.
    """

    def __init__(self, links: Sequence[Attack]) -> None:
        if not links:
            raise BadConfigError("a chain needs at least one attack")
        super().__init__(LINK_SIGN.join(link.name for link in links))
        self.links = tuple(links)

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the images after the last link."""
        for link in self.links:
            images = link(images)
        return images

    def fingerprint(self) -> str:
        """Returns the links' fingerprints in their order."""
        return f"chain v1 [{' | '.join(link.fingerprint() for link in self.links)}]"
