"""The top-k average: several good actions instead of the best one."""

from __future__ import annotations

from typing import ClassVar

import torch

from demagnify.agents.learners.base import LEARNERS
from demagnify.agents.learners.config import TopKConfig
from demagnify.agents.learners.network import NetworkLearner
from demagnify.agents.policy import TopKPolicy
from demagnify.agents.q_network import QNetwork
from demagnify.core.errors import BadConfigError


@LEARNERS.register("top-k")
class TopK(NetworkLearner):
    """Predicts what each action is worth, and averages the detector's logits after the k best.

    Nadimpalli & Rattani, "On Improving Cross-dataset Generalization of Deepfake Detectors"
    (CVPRW 2022), choose test-time augmentations so. A verdict costs k calls of the detector.

    Args:
        config: The settings.
    """

    name: ClassVar[str] = "top-k"
    config: TopKConfig

    def __init__(self, config: TopKConfig | None = None) -> None:
        super().__init__(config or TopKConfig())

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error over the actions."""
        return (scores - rewards).square().mean(dim=1)

    def policy_of(self, network: QNetwork) -> TopKPolicy:
        """Returns the policy that averages."""
        actions = network.second.out_features
        if self.config.k > actions:
            raise BadConfigError(
                f"top-k cannot choose the best {self.config.k} of {actions} actions",
                hint=f"set k to at most {actions}",
            )
        return TopKPolicy(self.config.k, network)
