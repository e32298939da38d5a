"""Who is right how often: metrics, intervals, the grid of attacks and defences, the report."""

from __future__ import annotations

from demagnify.evaluation.contender import Board, Contender, Member, learned_contender
from demagnify.evaluation.faced import Faced
from demagnify.evaluation.protocol import Evaluation, evaluate
from demagnify.evaluation.results import (
    AttackEntry,
    Context,
    EvaluationResult,
    Settings,
    SkippedFile,
)
from demagnify.evaluation.run_folder import load_result

__all__ = [
    "AttackEntry",
    "Board",
    "Contender",
    "Context",
    "Evaluation",
    "EvaluationResult",
    "Faced",
    "Member",
    "Settings",
    "SkippedFile",
    "evaluate",
    "learned_contender",
    "load_result",
]
