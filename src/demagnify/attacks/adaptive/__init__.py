"""The adaptive attacker: for each face the best of many attacks, found by asking the detector."""

from __future__ import annotations

from demagnify.attacks.adaptive.answers import Answers
from demagnify.attacks.adaptive.attacker import Adapted, adapt
from demagnify.attacks.adaptive.candidates import FAST_ATTACKS, Candidates
from demagnify.attacks.adaptive.search import Search
from demagnify.attacks.adaptive.settings import AdaptiveSettings

__all__ = [
    "FAST_ATTACKS",
    "Adapted",
    "AdaptiveSettings",
    "Answers",
    "Candidates",
    "Search",
    "adapt",
]
