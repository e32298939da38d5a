"""The evaluation of methods: metrics, intervals, baselines, adaptive attacks, the report."""

from __future__ import annotations

from demagnify.evaluation.evaluate import (
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
