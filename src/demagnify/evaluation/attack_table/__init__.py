"""The attack table: every detector on every data set under every attack."""

from __future__ import annotations

from demagnify.evaluation.attack_table.fill import DataSet, TablePlan, fill_table
from demagnify.evaluation.attack_table.result import AttackTable
from demagnify.evaluation.attack_table.words import sentences, to_csv, to_markdown

__all__ = [
    "AttackTable",
    "DataSet",
    "TablePlan",
    "fill_table",
    "sentences",
    "to_csv",
    "to_markdown",
]
