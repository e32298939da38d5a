"""Policies: what an agent sees in, what it does with each image out."""

from __future__ import annotations

from demagnify.agents.policy.abstaining import AbstainingPolicy
from demagnify.agents.policy.base import POLICIES, Ask, Policy, Verdicts
from demagnify.agents.policy.greedy import GreedyQPolicy
from demagnify.agents.policy.sequential import SequentialPolicy
from demagnify.agents.policy.simple import FixedPolicy, RandomPolicy
from demagnify.agents.policy.top_k import TopKPolicy

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
