"""The policy that gives no verdict where it is not sure enough."""

from __future__ import annotations

from typing import Any, Literal

import torch

from demagnify.agents.policy.base import POLICIES, Ask, Policy, Verdicts

Doubt = Literal["margin", "disagreement"]


@POLICIES.register("abstaining")
class AbstainingPolicy(Policy):
    """Another policy whose verdicts are withheld where their doubt is above a limit.

    The doubt is the chance of a wrong verdict, a logistic function of one measure. "margin" is
    how close the logit lies to the threshold and costs nothing. "disagreement" is the share of
    all actions after which the verdict would be another, and asks the detector about every one
    of them. See `demagnify.agents.abstain` for how the numbers are found.

    Args:
        policy: The policy, or its name and settings as `settings` returns them.
        doubt: The measure.
        actions: How many actions there are.
        limit: Above this doubt the verdict is "unsure".
        slope: How fast the logit of the doubt rises with the measure.
        intercept: The logit of the doubt where the measure is zero.
    """

    name = "abstaining"

    def __init__(
        self,
        policy: Policy | dict[str, Any],
        *,
        doubt: Doubt,
        actions: int,
        limit: float = 1.0,
        slope: float = 1.0,
        intercept: float = 0.0,
    ) -> None:
        super().__init__()
        self.policy = policy if isinstance(policy, Policy) else Policy.create(**policy)
        self.doubt = doubt
        self.actions = actions
        self.limit = limit
        self.slope = slope
        self.intercept = intercept

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the actions of the policy inside."""
        actions: torch.Tensor = self.policy(states)
        return actions

    @torch.no_grad()
    def judge(self, states: torch.Tensor, ask: Ask, threshold: float) -> Verdicts:
        """Lets the policy inside judge, and doubts."""
        inside = self.policy.judge(states, ask, threshold)
        measure, further = self.measure(inside, ask, threshold)
        doubt = self.chance(measure)
        unsure = doubt > self.limit
        if inside.unsure is not None:
            unsure = unsure | inside.unsure
        return Verdicts(
            logits=inside.logits,
            actions=inside.actions,
            calls=inside.calls + further,
            unsure=unsure,
            doubt=doubt,
        )

    def measure(self, verdicts: Verdicts, ask: Ask, threshold: float) -> tuple[torch.Tensor, int]:
        """Returns the measure of each verdict, float32 (N,), and how many calls it took."""
        if self.doubt == "margin":
            return -(verdicts.logits - threshold).abs(), 0
        rows = torch.arange(len(verdicts.logits), device=verdicts.logits.device)
        fake = verdicts.logits > threshold
        others = [
            (ask(rows, torch.full_like(rows, action)) > threshold) != fake
            for action in range(self.actions)
        ]
        return torch.stack(others).float().mean(dim=0), self.actions

    def chance(self, measure: torch.Tensor) -> torch.Tensor:
        """Returns the doubt that a measure means, float32 (N,)."""
        return torch.sigmoid(self.slope * measure + self.intercept)

    def settings(self) -> dict[str, Any]:
        """Returns the policy inside and the numbers."""
        return {
            "policy": {"name": self.policy.name, "settings": self.policy.settings()},
            "doubt": self.doubt,
            "actions": self.actions,
            "limit": self.limit,
            "slope": self.slope,
            "intercept": self.intercept,
        }
