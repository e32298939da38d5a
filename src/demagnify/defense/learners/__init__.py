"""Learners: rewards in, a policy out."""

from __future__ import annotations

from demagnify.defense.learners.base import LEARNERS, CurvePoint, Learner, TrainedPolicy
from demagnify.defense.learners.config import (
    CostSensitiveConfig,
    FullInformationConfig,
    LearnerConfig,
    NetworkConfig,
    PolicyGradientConfig,
    QLearningConfig,
    SequentialConfig,
    TopKConfig,
)
from demagnify.defense.learners.cost_sensitive import CostSensitive
from demagnify.defense.learners.full_information import FullInformation
from demagnify.defense.learners.policy_gradient import PolicyGradient
from demagnify.defense.learners.q_learning import QLearning
from demagnify.defense.learners.rewards import RewardConfig
from demagnify.defense.learners.sequential import Sequential
from demagnify.defense.learners.sequential_env import SequentialEnv
from demagnify.defense.learners.top_k import TopK

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
