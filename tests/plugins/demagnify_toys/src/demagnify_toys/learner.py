"""A learner that predicts rewards by least squares."""

from typing import Literal

import torch
from pydantic import Field

from demagnify.agents.learners import Learner, LearnerConfig, TrainedPolicy
from demagnify_toys.policy import LinearPolicy


class LeastSquaresConfig(LearnerConfig):
    """Settings of the regression."""

    name: Literal["toy-linear"] = Field(default="toy-linear", description="The learner")
    ridge: float = Field(default=0.1, gt=0, description="Weight of the penalty on the weights")


class LeastSquares(Learner):
    """Fits the rewards of all actions to the states."""

    config_type = LeastSquaresConfig

    def train(self, data, checkpoint):
        states = data.states().all()
        rewards = torch.from_numpy(data.rewards(self.config.reward)).to(states.device)
        inputs = torch.cat([states, torch.ones_like(states[:, :1])], dim=1).double()
        penalty = self.config.ridge * torch.eye(inputs.shape[1], device=states.device)
        solved = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ rewards.double())
        policy = LinearPolicy(states.shape[1], data.actions).to(states.device)
        with torch.no_grad():
            policy.layer.weight.copy_(solved[:-1].T)
            policy.layer.bias.copy_(solved[-1])
        return TrainedPolicy(policy=policy.eval(), history=[])
