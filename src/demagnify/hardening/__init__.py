"""Hardening: an agent looks for what the detector cannot stand, and the detector learns from it."""

from __future__ import annotations

from demagnify.hardening.config import Hardening
from demagnify.hardening.judge import Round
from demagnify.hardening.rounds import Hardened, harden
from demagnify.hardening.surrogates import Sparring

__all__ = ["Hardened", "Hardening", "Round", "Sparring", "harden"]
