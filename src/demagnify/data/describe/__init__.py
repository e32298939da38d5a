"""Describes data sets: labels, sizes, duplicates and groups across splits, contradictions."""

from __future__ import annotations

from demagnify.data.describe.describing import MAX_DISTANCE, Repeats, count_repeats, describe
from demagnify.data.describe.description import Description

__all__ = ["MAX_DISTANCE", "Description", "Repeats", "count_repeats", "describe"]
