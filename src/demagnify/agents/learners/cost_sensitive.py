"""Cost-sensitive classification: which of two actions is better, weighted by how much."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn import functional

from demagnify.agents.learners.base import LEARNERS
from demagnify.agents.learners.config import CostSensitiveConfig
from demagnify.agents.learners.network import NetworkLearner


@LEARNERS.register("cost-sensitive")
class CostSensitive(NetworkLearner):
    """Reduces the choice to weighted binary classification of pairs of actions.

    Each pair asks which action is better, and counts as much as their rewards differ (weighted
    all pairs: Beygelzimer et al., "Error Limiting Reductions Between Classification Tasks", ICML
    2005); the logistic loss stands for the error. Faces on which every action earns the same
    teach nothing here, whereas a regression spends itself on them. The other classical
    reduction, one regression per action, is the learner "full-information".

    Args:
        config: The settings.
    """

    name: ClassVar[str] = "cost-sensitive"

    def __init__(self, config: CostSensitiveConfig | None = None) -> None:
        super().__init__(config or CostSensitiveConfig())

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the weighted logistic loss, averaged over all pairs."""
        gains = rewards[:, :, None] - rewards[:, None, :]
        leads = scores[:, :, None] - scores[:, None, :]
        # Both orders of a pair are there; clamping leaves the one whose first action is better.
        return (gains.clamp(min=0) * functional.softplus(-leads)).mean(dim=(1, 2))
