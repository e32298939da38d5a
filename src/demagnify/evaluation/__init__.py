"""The evaluation of methods: metrics, intervals, baselines, adaptive attacks, the report.

The names load on first use: a benchmark's row is verified without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demagnify.core.imports import lazy

if TYPE_CHECKING:
    from demagnify.evaluation.evaluating import (
        Evaluation,
        EvaluationConfig,
        evaluate,
        evaluate_tables,
    )
    from demagnify.evaluation.methods import (
        DetectorTables,
        Method,
        MethodSeed,
        learned_method,
        load_methods,
    )
    from demagnify.evaluation.records import SkippedFile
    from demagnify.evaluation.results import ConditionEntry, Context, EvaluationResult, Settings
    from demagnify.evaluation.run_folder import load_result

__all__ = [
    "ConditionEntry",
    "Context",
    "DetectorTables",
    "Evaluation",
    "EvaluationConfig",
    "EvaluationResult",
    "Method",
    "MethodSeed",
    "Settings",
    "SkippedFile",
    "evaluate",
    "evaluate_tables",
    "learned_method",
    "load_methods",
    "load_result",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "evaluating": ("Evaluation", "EvaluationConfig", "evaluate", "evaluate_tables"),
        "methods": ("DetectorTables", "Method", "MethodSeed", "learned_method", "load_methods"),
        "records": ("SkippedFile",),
        "results": ("ConditionEntry", "Context", "EvaluationResult", "Settings"),
        "run_folder": ("load_result",),
    },
)
