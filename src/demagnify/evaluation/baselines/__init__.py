"""What stands beside a learned defence, because its figure means nothing without it."""

from __future__ import annotations
