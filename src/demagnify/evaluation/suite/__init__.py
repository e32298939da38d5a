"""The benchmark that others can enter: versioned suites, rows that anybody can verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demagnify.core.imports import lazy

if TYPE_CHECKING:
    from demagnify.evaluation.suite.comparison import RowComparison, compare_rows
    from demagnify.evaluation.suite.page import check_replaceable, leaderboard
    from demagnify.evaluation.suite.row import Row, load_row, verify_row
    from demagnify.evaluation.suite.running import run_suite
    from demagnify.evaluation.suite.table import ScoreTable
    from demagnify.evaluation.suite.versions import Suite, SuiteConfig, load_suite

__all__ = [
    "Row",
    "RowComparison",
    "ScoreTable",
    "Suite",
    "SuiteConfig",
    "check_replaceable",
    "compare_rows",
    "leaderboard",
    "load_row",
    "load_suite",
    "run_suite",
    "verify_row",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "comparison": ("RowComparison", "compare_rows"),
        "page": ("check_replaceable", "leaderboard"),
        "row": ("Row", "load_row", "verify_row"),
        "running": ("run_suite",),
        "table": ("ScoreTable",),
        "versions": ("Suite", "SuiteConfig", "load_suite"),
    },
)
