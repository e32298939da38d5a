"""Policies: from states to actions and decisions. One file per idea; each registers itself."""

from __future__ import annotations

from demagnify.agents.policies.abstaining import AbstainingPolicy
from demagnify.agents.policies.base import POLICIES, Decisions, Policy, Query
from demagnify.agents.policies.q_values import GreedyQPolicy, TopKPolicy
from demagnify.agents.policies.sequential import SequentialPolicy, Views
from demagnify.agents.policies.simple import FixedPolicy, MarginCascade, MeanOfViews, RandomPolicy

__all__ = [
    "POLICIES",
    "AbstainingPolicy",
    "Decisions",
    "FixedPolicy",
    "GreedyQPolicy",
    "MarginCascade",
    "MeanOfViews",
    "Policy",
    "Query",
    "RandomPolicy",
    "SequentialPolicy",
    "TopKPolicy",
    "Views",
]
