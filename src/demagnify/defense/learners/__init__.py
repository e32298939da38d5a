"""Learners: rewards in, a policy out."""

from __future__ import annotations

from demagnify.defense.learners.base import LEARNERS, CurvePoint, Learner, TrainedPolicy
from demagnify.defense.learners.config import QLearningConfig
from demagnify.defense.learners.q_learning import QLearning

__all__ = ["LEARNERS", "CurvePoint", "Learner", "QLearning", "QLearningConfig", "TrainedPolicy"]
