"""The policy that averages the detector's answers to its best actions."""

from __future__ import annotations

from typing import Any

import torch

from demagnify.agents.policy.base import POLICIES, Ask, Policy, Verdicts
from demagnify.agents.q_network import QNetwork


@POLICIES.register("top-k")
class TopKPolicy(Policy):
    """Judges each image by the mean logit after the k actions that a network values most.

    Test-time augmentation with chosen augmentations, as in Nadimpalli & Rattani (CVPRW 2022). An
    image costs k calls of the detector.

    Args:
        k: How many actions; no more than there are.
        network: The network, or None to make one of the settings.
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
        """Returns the k actions valued most, int64 (N, k), the best first, of equals the first."""
        values: torch.Tensor = self.network(states)
        return values.sort(dim=1, descending=True, stable=True).indices[:, : self.k]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the action valued most."""
        return self.best(states)[:, 0]

    def judge(self, states: torch.Tensor, ask: Ask, threshold: float) -> Verdicts:
        """Asks the detector k times about each image and takes the mean; see `Policy.judge`."""
        del threshold
        best = self.best(states)
        rows = torch.arange(len(states), device=states.device)
        logits = torch.stack([ask(rows, best[:, rank]) for rank in range(self.k)]).mean(dim=0)
        calls = torch.full_like(rows, self.k)
        return Verdicts(logits=logits, actions=best[:, 0], calls=calls)

    def settings(self) -> dict[str, Any]:
        """Returns k and the arguments of the network."""
        return {"k": self.k, **self.network.settings()}
