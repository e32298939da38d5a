"""The exact policy gradient: the expected reward itself, climbed without drawing an action."""

from __future__ import annotations

from typing import ClassVar

import torch

from demagnify.agents.learners.base import LEARNERS
from demagnify.agents.learners.config import PolicyGradientConfig
from demagnify.agents.learners.network import NetworkLearner


@LEARNERS.register("policy-gradient")
class PolicyGradient(NetworkLearner):
    """Makes the expected reward, sum over a of pi(a|x) r(x, a), as large as it can be.

    As every reward is known, the expectation is a sum, and its gradient has none of the noise of
    REINFORCE. The entropy bonus keeps the softmax pi from settling before it has seen enough.
    What is trained here acts by its most probable action.

    Args:
        config: The settings.
    """

    name: ClassVar[str] = "policy-gradient"
    config: PolicyGradientConfig

    def __init__(self, config: PolicyGradientConfig | None = None) -> None:
        super().__init__(config or PolicyGradientConfig())

    def loss(self, scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Returns what the expected reward and the entropy bonus lack of zero."""
        logs = torch.log_softmax(scores, dim=1)
        chances = logs.exp()
        entropy = -(chances * logs).sum(dim=1)
        return -(chances * rewards).sum(dim=1) - self.config.entropy * entropy
