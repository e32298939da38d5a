"""Policies without training."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from demagnify.agents.policies.base import POLICIES, Decisions, Policy, Query


@POLICIES.register("fixed")
class FixedPolicy(Policy):
    """Applies the same action to every image; number 0 is the identity.

    Args:
        action: The number of the action.
    """

    name = "fixed"
    uses_state = False

    def __init__(self, action: int = 0) -> None:
        super().__init__()
        self.action = action

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the same action N times."""
        return torch.full((len(states),), self.action, dtype=torch.int64, device=states.device)

    def settings(self) -> dict[str, Any]:
        """Returns the action."""
        return {"action": self.action}


@POLICIES.register("random")
class RandomPolicy(Policy):
    """Draws an action from seed and state, so that one image always gets the same action.

    Args:
        actions: The number of actions.
        seed: Another seed draws other actions.
    """

    name = "random"

    def __init__(self, actions: int, seed: int = 0) -> None:
        super().__init__()
        self.actions = actions
        self.seed = seed

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns uniformly distributed actions."""
        drawn = [self._draw(state.numpy().data) for state in states.detach().cpu().contiguous()]
        return torch.tensor(drawn, dtype=torch.int64, device=states.device)

    def _draw(self, state: memoryview) -> int:
        key = self.seed.to_bytes(16, "little", signed=True)
        digest = hashlib.blake2b(state, digest_size=8, key=key).digest()
        return int.from_bytes(digest, "little") % self.actions

    def settings(self) -> dict[str, Any]:
        """Returns the number of actions and the seed."""
        return {"actions": self.actions, "seed": self.seed}


@POLICIES.register("mean-of-views")
class MeanOfViews(Policy):
    """Averages the detector's logits over all actions: test-time augmentation.

    It chooses nothing, so it needs neither state nor training. An image costs one call of the
    detector per action. The action that it reports is number 0.

    Args:
        actions: The number of actions.
    """

    name = "mean-of-views"
    uses_state = False

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns number 0 for every image."""
        return self.views(states)[:, 0]

    @property
    def averaged(self) -> int:
        """Every action."""
        return self.actions

    def views(self, states: torch.Tensor) -> torch.Tensor:
        """Returns every action for every image."""
        return torch.arange(self.actions, device=states.device).repeat(len(states), 1)

    def settings(self) -> dict[str, Any]:
        """Returns the number of actions."""
        return {"actions": self.actions}


@POLICIES.register("margin-cascade")
class MarginCascade(Policy):
    """Takes one view after the other, and stops where their mean is far from the threshold.

    It takes the actions in their order. It needs neither state nor training, and with a very large
    band it is `MeanOfViews`. The action that it reports is number 0.

    Args:
        actions: The number of actions.
        band: The distance of the mean logit from the threshold at which it stops.
    """

    name = "margin-cascade"
    uses_state = False

    def __init__(self, actions: int, band: float) -> None:
        super().__init__()
        self.actions = actions
        self.band = band

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Returns number 0 for every image."""
        return torch.zeros(len(states), dtype=torch.int64, device=states.device)

    def decide(self, states: torch.Tensor, query: Query, threshold: float) -> Decisions:
        """Takes views of each image until their mean is clear of the threshold."""
        first = self(states)
        rows = torch.arange(len(states), device=states.device)
        total = query(rows, first)
        calls = torch.ones_like(rows)
        for action in range(1, self.actions):
            with torch.no_grad():
                unclear = (total / calls - threshold).abs() < self.band
            rows = torch.nonzero(unclear & (calls == action))[:, 0]
            if not len(rows):
                break
            total = total.index_add(0, rows, query(rows, torch.full_like(rows, action)))
            calls = calls.index_add(0, rows, torch.ones_like(rows))
        return Decisions(logits=total / calls, actions=first, calls=calls)

    def settings(self) -> dict[str, Any]:
        """Returns the number of actions and the band."""
        return {"actions": self.actions, "band": self.band}
