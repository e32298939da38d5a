"""Policies that act on the values of a Q-network."""

from __future__ import annotations

from typing import Any

import torch

from demagnify.agents.policies.base import POLICIES, Decisions, Policy, Query
from demagnify.agents.q_network import QNetwork


@POLICIES.register("greedy-q")
class GreedyQPolicy(Policy):
    """Takes the action with the highest Q-value; of equals the first.

    Args:
        network: The network, or None to make one from the settings.
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


@POLICIES.register("top-k")
class TopKPolicy(Policy):
    """Averages the detector's logits over the k actions with the highest Q-values.

    Test-time augmentation with chosen augmentations, as in Nadimpalli & Rattani (CVPRW 2022). An
    image costs k calls of the detector.

    Args:
        k: How many actions; no more than there are.
        network: The network, or None to make one from the settings.
        settings: The arguments of `QNetwork`.
    """

    name = "top-k"

    def __init__(
        self,
        k: int,
        network: QNetwork | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__()
        self.k = k
        self.network = network if network is not None else QNetwork(**settings)

    @torch.no_grad()
    def best(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the k best actions, int64 (N, k), the best first, of equals the first."""
        values: torch.Tensor = self.network(states)
        return values.sort(dim=1, descending=True, stable=True).indices[:, : self.k]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the best action."""
        return self.best(states)[:, 0]

    def decide(self, states: torch.Tensor, query: Query, threshold: float) -> Decisions:
        """Runs the detector k times on each image and takes the mean; see `Policy.decide`."""
        del threshold
        best = self.best(states)
        rows = torch.arange(len(states), device=states.device)
        logits = torch.stack([query(rows, best[:, rank]) for rank in range(self.k)]).mean(dim=0)
        return Decisions(logits=logits, actions=best[:, 0], calls=torch.full_like(rows, self.k))

    def settings(self) -> dict[str, Any]:
        """Returns k and the arguments of the network."""
        return {"k": self.k, **self.network.settings()}
