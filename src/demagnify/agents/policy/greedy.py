"""The policy that takes what a network values most."""

from __future__ import annotations

from typing import Any

import torch

from demagnify.agents.policy.base import POLICIES, Policy
from demagnify.agents.q_network import QNetwork


@POLICIES.register("greedy-q")
class GreedyQPolicy(Policy):
    """Takes the action that a Q-network values most; of equals the first.

    Args:
        network: The network, or None to make one of the settings.
        settings: The arguments of `QNetwork`.
    """

    name = "greedy-q"

    def __init__(self, network: QNetwork | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.network = network if network is not None else QNetwork(**settings)

    @torch.no_grad()
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the greedy actions."""
        values: torch.Tensor = self.network(states)
        return values.argmax(dim=1)

    def settings(self) -> dict[str, Any]:
        """Returns the arguments of the network."""
        return self.network.settings()
