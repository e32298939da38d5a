"""The adaptive attacker: for each face the best of many attacks, found by asking the detector."""

from __future__ import annotations

from demagnify.evaluation.adaptive.answers import Answers
from demagnify.evaluation.adaptive.attacker import Adapted, adapt
from demagnify.evaluation.adaptive.candidates import FAST_ATTACKS, Candidates
from demagnify.evaluation.adaptive.conditions import adaptive_conditions
from demagnify.evaluation.adaptive.result import AdaptiveResult, load_adaptive
from demagnify.evaluation.adaptive.run import AdaptivePlan, AdaptiveRun, attack_adaptively
from demagnify.evaluation.adaptive.search import Search
from demagnify.evaluation.adaptive.settings import AdaptiveSettings
from demagnify.evaluation.adaptive.target import Target, load_target
from demagnify.evaluation.adaptive.words import tell

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
