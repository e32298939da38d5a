"""The policy that looks at one view after the other until it knows enough."""

from __future__ import annotations

from typing import Any

import torch

from demagnify.agents.policy.base import POLICIES, Ask, Policy, Verdicts
from demagnify.agents.policy.views import Views
from demagnify.agents.q_network import QNetwork


@POLICIES.register("sequential")
class SequentialPolicy(Policy):
    """Looks, stops or abstains, as a network prefers; see `Views` for the rules.

    The network is a plain one of ours: whatever library trained it is not needed to use it. Its
    inputs are the state and, for each view, whether it was seen and what it said; its outputs
    the A views, stop and, where it may, abstain.

    Args:
        most: How many views an image may cost.
        abstains: Whether abstaining is among the network's outputs.
        network: The network, or None to make one of the settings.
        settings: The arguments of `QNetwork`, whose "actions" are A + 1 or A + 2.
    """

    name = "sequential"

    def __init__(
        self,
        most: int,
        abstains: bool,
        network: QNetwork | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__()
        self.most = most
        self.abstains = abstains
        self.network = network if network is not None else QNetwork(**settings)

    @property
    def views(self) -> int:
        """A, how many views there are to look at."""
        return self.network.second.out_features - 1 - self.abstains

    @torch.no_grad()
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the view looked at first; 0, the image as it is, where it does not look."""
        views = Views(len(states), self.views, self.most, states.device)
        rows = torch.arange(len(states), device=states.device)
        # Nothing was seen yet, so no threshold enters.
        first: torch.Tensor = self.network(views.observe(states, 0.0, rows)).argmax(dim=1)
        return torch.where(first < self.views, first, 0)

    @torch.no_grad()
    def judge(self, states: torch.Tensor, ask: Ask, threshold: float) -> Verdicts:
        """Looks until it stops; the action told is the view looked at last."""
        views = Views(len(states), self.views, self.most, states.device)
        while views.running.any():
            rows = views.running.nonzero().squeeze(1)
            seen = views.observe(states[rows], threshold, rows)
            views.choose(rows, self.network(seen).argmax(dim=1), ask)
        return Verdicts(
            logits=views.logits, actions=views.last, calls=views.calls, unsure=views.unsure
        )

    def settings(self) -> dict[str, Any]:
        """Returns the rules and the arguments of the network."""
        return {"most": self.most, "abstains": self.abstains, **self.network.settings()}
