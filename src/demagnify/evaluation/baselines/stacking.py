"""Stacking: a logistic regression on the logits after every action."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from demagnify.agents.judgement import Defense, Judgement
from demagnify.evaluation.baselines.pool import Pool
from demagnify.evaluation.baselines.simple import asked_all
from demagnify.scores import LogitTable


class Stacking(Defense):
    """Weighs all answers of the detector; what the table knows at most, linearly (Wolpert 1992).

    Args:
        model: Logits after every action to the chance of a fake.
    """

    name = "stacking"

    def __init__(self, model: Pipeline) -> None:
        self.model = model

    @classmethod
    def fit(cls, pool: Pool) -> Stacking:
        """Fits the weights; both classes count alike."""
        model = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
        )
        return cls(model.fit(pool.table.logits, pool.table.labels))

    def judge(self, table: LogitTable, states: torch.Tensor | None = None) -> Judgement:  # noqa: ARG002
        """Judges every face of `table` by all its logits."""
        logits = self.model.decision_function(table.logits).astype(np.float32)
        return Judgement(logits=logits, actions=None, threshold=0.0, calls=asked_all(table))
