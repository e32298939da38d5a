"""Sparring networks: small super-resolution networks that the loop trains for itself.

What published networks do to faces can only be imitated so far by filters. A network that was
trained on the spot leaves a network's traces, and no published one need be seen for that.
"""

from __future__ import annotations

from demagnify.hardening.surrogates.config import Lessons, Sparring
from demagnify.hardening.surrogates.design import AIMS, Design, draw_design
from demagnify.hardening.surrogates.partners import Partner, train_partners

__all__ = [
    "AIMS",
    "Design",
    "Lessons",
    "Partner",
    "Sparring",
    "draw_design",
    "train_partners",
]
