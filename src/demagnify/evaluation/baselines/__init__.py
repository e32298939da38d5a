"""The baselines beside a learned method: its figures mean nothing without them."""

from __future__ import annotations
