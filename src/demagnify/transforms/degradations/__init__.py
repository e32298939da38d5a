"""Ordinary filters, drawn at random, that imitate what super-resolution leaves behind."""

from __future__ import annotations

from demagnify.transforms.degradations.degrader import Degrader, registered
from demagnify.transforms.degradations.kinds import DEGRADATIONS, Degradation

__all__ = ["DEGRADATIONS", "Degradation", "Degrader", "registered"]
