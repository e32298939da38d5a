"""The adaptive attacker: for each face the best of many attacks, found by queries."""

from __future__ import annotations

from demagnify.evaluation.adaptive.attack import (
    FAST_ATTACKS,
    Adapted,
    Candidates,
    Target,
    adaptive_conditions,
    attack_target,
    load_target,
)
from demagnify.evaluation.adaptive.results import AdaptiveResult, load_adaptive
from demagnify.evaluation.adaptive.run import (
    AdaptiveAttack,
    AdaptiveConfig,
    adaptive_attack,
    summarize,
)
from demagnify.evaluation.adaptive.search import Search, SearchConfig

__all__ = [
    "FAST_ATTACKS",
    "Adapted",
    "AdaptiveAttack",
    "AdaptiveConfig",
    "AdaptiveResult",
    "Candidates",
    "Search",
    "SearchConfig",
    "Target",
    "adaptive_attack",
    "adaptive_conditions",
    "attack_target",
    "load_adaptive",
    "load_target",
    "summarize",
]
