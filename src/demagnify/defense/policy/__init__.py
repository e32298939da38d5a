"""Policies: what an agent sees in, what it does with each image out."""

from __future__ import annotations

from demagnify.defense.policy.abstaining import AbstainingPolicy
from demagnify.defense.policy.base import POLICIES, Ask, Policy, Verdicts
from demagnify.defense.policy.greedy import GreedyQPolicy
from demagnify.defense.policy.sequential import SequentialPolicy
from demagnify.defense.policy.simple import FixedPolicy, RandomPolicy
from demagnify.defense.policy.top_k import TopKPolicy

__all__ = [
    "POLICIES",
    "AbstainingPolicy",
    "Ask",
    "FixedPolicy",
    "GreedyQPolicy",
    "Policy",
    "RandomPolicy",
    "SequentialPolicy",
    "TopKPolicy",
    "Verdicts",
]
