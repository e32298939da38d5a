"""The policy that gives no verdict where it is too uncertain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import torch

from demagnify.agents.policies.base import POLICIES, Decisions, Policy, Query

Measure = Literal["margin", "disagreement"]


@POLICIES.register("abstaining")
class AbstainingPolicy(Policy):
    """Another policy that abstains where the uncertainty is above a limit.

    The uncertainty is the chance of a wrong verdict, a logistic function of one measure. "margin"
    is the negative distance of the logit to the threshold and costs nothing. "disagreement" is
    the share of all actions that change the verdict, and runs the detector after every one of
    them. `demagnify.agents.abstention` fits the numbers.

    Args:
        policy: The policy inside, or its name and settings as `settings` returns them.
        measure: The measure.
        actions: The number of actions.
        limit: Above this uncertainty it abstains.
        slope: How fast the logit of the uncertainty rises with the measure.
        intercept: The logit of the uncertainty where the measure is zero.
    """

    name = "abstaining"

    def __init__(
        self,
        policy: Policy | dict[str, Any],
        *,
        measure: Measure,
        actions: int,
        limit: float = 1.0,
        slope: float = 1.0,
        intercept: float = 0.0,
    ) -> None:
        super().__init__()
        self.policy = policy if isinstance(policy, Policy) else Policy.create(**policy)
        self.measure: Measure = measure
        self.actions = actions
        self.limit = limit
        self.slope = slope
        self.intercept = intercept
        self.uses_state = self.policy.uses_state  # type: ignore[misc]  # here an instance decides

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the actions of the policy inside."""
        actions: torch.Tensor = self.policy(states)
        return actions

    def decide(self, states: torch.Tensor, query: Query, threshold: float) -> Decisions:
        """Returns the decisions of the policy inside, with abstentions."""
        inside = self.policy.decide(states, query, threshold)
        measured, further = self.measured(inside, query, threshold)
        uncertainty = self.uncertainty(measured)
        abstained = uncertainty > self.limit
        if inside.abstained is not None:
            abstained = abstained | inside.abstained
        calls = inside.calls + further
        return replace(inside, calls=calls, abstained=abstained, uncertainty=uncertainty)

    @torch.no_grad()
    def measured(
        self, decisions: Decisions, query: Query, threshold: float
    ) -> tuple[torch.Tensor, int]:
        """Returns the measure of each decision, float32 (N,), and the calls that it took."""
        if self.measure == "margin":
            return -(decisions.logits - threshold).abs(), 0
        rows = torch.arange(len(decisions.logits), device=decisions.logits.device)
        fake = decisions.logits > threshold
        changed = [
            (query(rows, torch.full_like(rows, action)) > threshold) != fake
            for action in range(self.actions)
        ]
        return torch.stack(changed).float().mean(dim=0), self.actions

    def uncertainty(self, measured: torch.Tensor) -> torch.Tensor:
        """Returns the uncertainty for a measure, float32 (N,)."""
        return torch.sigmoid(self.slope * measured + self.intercept)

    def settings(self) -> dict[str, Any]:
        """Returns the policy inside and the numbers."""
        return {
            "policy": {"name": self.policy.name, "settings": self.policy.settings()},
            "measure": self.measure,
            "actions": self.actions,
            "limit": self.limit,
            "slope": self.slope,
            "intercept": self.intercept,
        }
