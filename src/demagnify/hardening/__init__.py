"""Hardening: an agent looks for what the detector cannot stand, and the detector learns from it."""

from __future__ import annotations

from demagnify.hardening.config import Hardening
from demagnify.hardening.rounds import Hardened, Round, harden

__all__ = ["Hardened", "Hardening", "Round", "harden"]
