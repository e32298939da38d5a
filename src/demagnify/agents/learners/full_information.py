"""Regression of the rewards of all actions: the agent with nothing left to explore."""

from __future__ import annotations

from typing import ClassVar

import torch

from demagnify.agents.learners.base import LEARNERS
from demagnify.agents.learners.config import FullInformationConfig
from demagnify.agents.learners.network import NetworkLearner


@LEARNERS.register("full-information")
class FullInformation(NetworkLearner):
    """Predicts what each action is worth, and takes the best.

    The supervised form of the paper's agent: Kim et al., "Learning Loss for Test-Time
    Augmentation" (NeurIPS 2020) predict the loss after each transformation. It is at once
    cost-sensitive one-against-all classification (csoaa in Vowpal Wabbit), the oracle to which
    Agarwal et al. (ICML 2014) reduce contextual bandits.

    Args:
        config: The settings.
    """

    name: ClassVar[str] = "full-information"

    def __init__(self, config: FullInformationConfig | None = None) -> None:
        super().__init__(config or FullInformationConfig())

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error over the actions."""
        return (scores - rewards).square().mean(dim=1)
