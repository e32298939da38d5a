"""A policy of one linear layer: the action with the highest predicted reward."""

from typing import Any

import torch

from demagnify.agents.policies import Policy


class LinearPolicy(Policy):
    """Predicts the reward of each action from the state."""

    name = "toy-linear"

    def __init__(self, size: int, actions: int) -> None:
        super().__init__()
        self.size, self.actions = size, actions
        self.layer = torch.nn.Linear(size, actions)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.layer(states).argmax(dim=1)

    def settings(self) -> dict[str, Any]:
        return {"size": self.size, "actions": self.actions}
