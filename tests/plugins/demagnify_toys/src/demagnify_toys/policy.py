"""A policy without weights: the last action for every image."""

from typing import Any

import torch

from demagnify.agents.policies import Policy


class LastAction(Policy):
    """Chooses the last action."""

    name = "toy-last"

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.actions = actions

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.full((len(states),), self.actions - 1, device=states.device)

    def settings(self) -> dict[str, Any]:
        return {"actions": self.actions}
