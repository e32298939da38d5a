"""Describes data sets: labels, sizes, duplicates and groups across splits, contradictions."""

from __future__ import annotations

from demagnify.data.describe.describing import DescribeConfig, Repeats, count_repeats, describe
from demagnify.data.describe.description import Description

__all__ = ["DescribeConfig", "Description", "Repeats", "count_repeats", "describe"]
