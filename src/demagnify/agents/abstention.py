"""When to abstain: the uncertainty, calibrated and limited on held-out faces."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from demagnify.agents.policies import AbstainingPolicy, Decisions, Policy
from demagnify.agents.policies.abstaining import Measure
from demagnify.agents.predictors import PolicyPredictor
from demagnify.agents.queries import TableQueries
from demagnify.agents.states import StateEncoder
from demagnify.core.errors import BadConfigError
from demagnify.core.settings import Frozen
from demagnify.scores import LogitTable

_LEAST_SLOPE: Final = 1e-3

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class AbstainConfig(Frozen):
    """How often the agent may abstain: by coverage, or by the risk that may remain."""

    measure: Measure = Field(
        default="margin",
        description="Measure of uncertainty: the logit's distance to the threshold (free), or the "
        "share of actions that change the verdict (runs the detector after all of them)",
    )
    coverage: float | None = Field(
        default=None, gt=0, le=1, description="Share of the faces that get a verdict"
    )
    risk: float | None = Field(
        default=None, ge=0, lt=1, description="Share of wrong verdicts among those given"
    )
    held_out: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the groups on which the limit is set"
    )

    @model_validator(mode="after")
    def _one_target(self) -> AbstainConfig:
        if (self.coverage is None) == (self.risk is None):
            raise ValueError("set either coverage or risk")
        return self


def with_abstention(
    policy: Policy,
    table: LogitTable,
    encoder: StateEncoder | None,
    config: AbstainConfig,
    *,
    threshold: float | None = None,
) -> AbstainingPolicy:
    """Returns the policy with abstentions, calibrated and limited on the faces of a table.

    The chance of a wrong verdict is fitted as a logistic function of the measure (Platt 1999,
    with its smoothed targets). For a coverage, the limit is the uncertainty that this share of
    the faces does not exceed; for a risk, it is the largest at which no larger share of the
    verdicts given is wrong. Both hold on these faces, and elsewhere as far as faces there are
    like them.

    Args:
        policy: The policy.
        table: Faces that the policy has not learned from; filled as far as needed.
        encoder: Computes the states of the policy.
        config: The measure and the target.
        threshold: A logit above it means fake; that of the table's detector if None.

    Raises:
        BadConfigError: If there is no face, or not even the most certain verdicts keep the risk.
    """
    if not len(table.faces):
        raise BadConfigError("there is no face to set the limit of uncertainty on")
    predictions = PolicyPredictor(policy, encoder, threshold=threshold).predict(table)
    made = AbstainingPolicy(policy, measure=config.measure, actions=len(table.transforms))
    decisions = Decisions(
        logits=torch.from_numpy(predictions.logits),
        actions=torch.from_numpy(predictions.actions),
        calls=torch.from_numpy(predictions.calls),
    )
    everyone = np.arange(len(table.faces), dtype=np.int64)
    query = TableQueries(table, everyone, known=False, device=torch.device("cpu"))
    measured, _ = made.measured(decisions, query, predictions.threshold)
    wrong = predictions.fake != (table.labels == 1)
    made.slope, made.intercept = _platt(measured.double().numpy(), wrong)
    made.limit = rejection_limit(made.uncertainty(measured).numpy(), wrong, config)
    return made


def rejection_limit(uncertainty: Floats, wrong: Bools, config: AbstainConfig) -> float:
    """Returns the uncertainty above which no verdict is given.

    Args:
        uncertainty: float32 (N,).
        wrong: bool (N,), where the verdict is wrong.
        config: The target.

    Raises:
        BadConfigError: If not even the most certain verdicts keep the risk.
    """
    order = np.argsort(uncertainty, kind="stable")
    ranked = uncertainty[order]
    if config.coverage is not None:
        return float(ranked[int(np.ceil(config.coverage * len(ranked))) - 1])
    risk = config.risk or 0.0
    risks = np.cumsum(wrong[order]) / np.arange(1, len(ranked) + 1)
    ends = np.r_[ranked[1:] != ranked[:-1], True]  # equal uncertainties share their fate
    kept = np.flatnonzero(ends & (risks <= risk))
    if not len(kept):
        least = risks[ends].min()
        raise BadConfigError(
            f"no share of the verdicts has a risk of {risk:g}; the least is {least:.3g}",
            hint="allow a higher risk, or set a coverage",
        )
    return float(ranked[kept[-1]])


def _platt(measure: NDArray[np.float64], wrong: Bools) -> tuple[float, float]:
    """Returns slope and intercept of the logistic function."""
    from sklearn.linear_model import LogisticRegression

    errors = int(wrong.sum())
    high, low = (errors + 1) / (errors + 2), 1 / (len(wrong) - errors + 2)
    chance = np.where(wrong, high, low)
    spread = float(measure.std()) or 1.0
    model = LogisticRegression(C=1e4)
    model.fit(
        np.r_[measure, measure][:, None] / spread,
        np.r_[np.ones(len(wrong)), np.zeros(len(wrong))],
        sample_weight=np.r_[chance, 1 - chance],
    )
    # A larger measure never means less uncertainty, whatever a handful of faces suggest.
    slope = max(float(model.coef_[0, 0]), _LEAST_SLOPE) / spread
    return slope, float(model.intercept_[0])
