"""Policies that act on the values of a Q-network."""

from __future__ import annotations

from typing import Any

import torch

from demagnify.agents.policies.base import POLICIES, Policy
from demagnify.agents.q_network import QNetwork


class NetworkPolicy(Policy):
    """A policy with a Q-network.

    Args:
        network: The network, or None to make one from the settings.
        settings: The arguments of `QNetwork`.
    """

    def __init__(self, network: QNetwork | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.network = network if network is not None else QNetwork(**settings)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments of the network."""
        return self.network.settings()


@POLICIES.register("greedy-q")
class GreedyQPolicy(NetworkPolicy):
    """Takes the action with the highest Q-value; of equals the first; see `NetworkPolicy`."""

    name = "greedy-q"

    @torch.no_grad()
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the greedy actions."""
        values: torch.Tensor = self.network(states)
        return values.argmax(dim=1)


@POLICIES.register("top-k")
class TopKPolicy(NetworkPolicy):
    """Averages the detector's logits over the k actions with the highest Q-values.

    Test-time augmentation with chosen augmentations, as in Nadimpalli & Rattani (CVPRW 2022). An
    image costs k calls of the detector.

    Args:
        k: How many actions; no more than there are.
        network: The network, or None to make one from the settings.
        settings: The arguments of `QNetwork`.
    """

    name = "top-k"

    def __init__(self, k: int, network: QNetwork | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(network, **settings)
        self.k = k

    @torch.no_grad()
    def views(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the k best actions, int64 (N, k), the best first, of equals the first."""
        values: torch.Tensor = self.network(states)
        return values.sort(dim=1, descending=True, stable=True).indices[:, : self.k]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the best action."""
        return self.views(states)[:, 0]

    def settings(self) -> dict[str, Any]:
        """Returns k and the arguments of the network."""
        return {"k": self.k, **super().settings()}
