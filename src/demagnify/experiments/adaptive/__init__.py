"""The adaptive attacker on a data set: against a detector, and against a defended one."""

from __future__ import annotations

from demagnify.experiments.adaptive.conditions import adaptive_conditions
from demagnify.experiments.adaptive.result import AdaptiveResult, load_adaptive
from demagnify.experiments.adaptive.run import (
    AdaptivePlan,
    AdaptiveRun,
    attack_adaptively,
)
from demagnify.experiments.adaptive.target import Target, load_target
from demagnify.experiments.adaptive.words import tell

__all__ = [
    "AdaptivePlan",
    "AdaptiveResult",
    "AdaptiveRun",
    "Target",
    "adaptive_conditions",
    "attack_adaptively",
    "load_adaptive",
    "load_target",
    "tell",
]
