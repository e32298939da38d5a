"""Learners: rewards in, a policy out."""

from __future__ import annotations

from demagnify.agents.learners.base import LEARNERS, CurvePoint, Learner, TrainedPolicy
from demagnify.agents.learners.config import (
    CostSensitiveConfig,
    FullInformationConfig,
    LearnerConfig,
    NetworkConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SequentialConfig,
    TopKConfig,
)
from demagnify.agents.learners.cost_sensitive import CostSensitive
from demagnify.agents.learners.full_information import FullInformation
from demagnify.agents.learners.policy_gradient import PolicyGradient
from demagnify.agents.learners.q_learning import QLearning
from demagnify.agents.learners.rewards import RewardConfig
from demagnify.agents.learners.sequential import Sequential
from demagnify.agents.learners.sequential_env import SequentialEnv
from demagnify.agents.learners.top_k import TopK

__all__ = [
    "LEARNERS",
    "CostSensitive",
    "CostSensitiveConfig",
    "CurvePoint",
    "FullInformation",
    "FullInformationConfig",
    "Learner",
    "LearnerConfig",
    "NetworkConfig",
    "PolicyGradient",
    "PolicyGradientConfig",
    "QLearning",
    "QLearningConfig",
    "RewardConfig",
    "Sequential",
    "SequentialConfig",
    "SequentialEnv",
    "TopK",
    "TopKConfig",
    "TrainedPolicy",
]
