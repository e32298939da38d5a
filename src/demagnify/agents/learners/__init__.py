"""Learners: a logit table in, a policy out. One file per algorithm; each registers itself."""

from __future__ import annotations

from demagnify.agents.learners.base import (
    LEARNERS,
    Checkpoint,
    CurvePoint,
    Learner,
    LearnerConfig,
    TrainedPolicy,
    TrainingData,
)
from demagnify.agents.learners.full_information import (
    CostSensitive,
    CostSensitiveConfig,
    FullInformation,
    FullInformationConfig,
    NetworkConfig,
    PolicyGradient,
    PolicyGradientConfig,
    TopK,
    TopKConfig,
)
from demagnify.agents.learners.q_learning import QLearning, QLearningConfig
from demagnify.agents.learners.sequential import Sequential, SequentialConfig, SequentialEnv
from demagnify.agents.learners.untrained import MarginCascadeConfig, MeanOfViewsConfig

__all__ = [
    "LEARNERS",
    "Checkpoint",
    "CostSensitive",
    "CostSensitiveConfig",
    "CurvePoint",
    "FullInformation",
    "FullInformationConfig",
    "Learner",
    "LearnerConfig",
    "MarginCascadeConfig",
    "MeanOfViewsConfig",
    "NetworkConfig",
    "PolicyGradient",
    "PolicyGradientConfig",
    "QLearning",
    "QLearningConfig",
    "Sequential",
    "SequentialConfig",
    "SequentialEnv",
    "TopK",
    "TopKConfig",
    "TrainedPolicy",
    "TrainingData",
]
