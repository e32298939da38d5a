"""Scores as one table per run that other tools read, and theirs read back.

A further format is one file in this folder; see `demagnify.evaluation.exchange.base`.
"""

from demagnify.evaluation.exchange.base import SCORE_FORMATS, ScoreFormat, create, load_scores
from demagnify.evaluation.exchange.runs import load_run
from demagnify.evaluation.exchange.scored import ScoreColumn, ScoredRun

__all__ = [
    "SCORE_FORMATS",
    "ScoreColumn",
    "ScoreFormat",
    "ScoredRun",
    "create",
    "load_run",
    "load_scores",
]
