"""The adaptive attacker: for each face the best of many attacks, found by asking the detector."""

from __future__ import annotations

from demagnify.evaluation.adaptive.attack import (
    FAST_ATTACKS,
    Adapted,
    Answers,
    Candidates,
    Target,
    adapt,
    adaptive_conditions,
    load_target,
)
from demagnify.evaluation.adaptive.results import AdaptiveResult, load_adaptive, tell
from demagnify.evaluation.adaptive.run import AdaptivePlan, AdaptiveRun, attack_adaptively
from demagnify.evaluation.adaptive.search import AdaptiveSettings, Search

__all__ = [
    "FAST_ATTACKS",
    "Adapted",
    "AdaptivePlan",
    "AdaptiveResult",
    "AdaptiveRun",
    "AdaptiveSettings",
    "Answers",
    "Candidates",
    "Search",
    "Target",
    "adapt",
    "adaptive_conditions",
    "attack_adaptively",
    "load_adaptive",
    "load_target",
    "tell",
]
