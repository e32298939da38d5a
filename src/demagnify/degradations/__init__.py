"""Ordinary filters, drawn at random, that imitate what super-resolution leaves behind."""

from __future__ import annotations

from demagnify.degradations.degrader import Degrader
from demagnify.degradations.kinds import DEGRADATIONS

__all__ = ["DEGRADATIONS", "Degrader"]
