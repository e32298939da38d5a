"""When to withhold a verdict: doubt measured, calibrated and limited on held-out faces."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from demagnify.agents.learned import Learned
from demagnify.agents.policy import AbstainingPolicy, Policy, Verdicts
from demagnify.agents.questions import TableQuestions
from demagnify.agents.state import StateEncoder
from demagnify.core.errors import BadConfigError
from demagnify.scores import LogitTable

_LEAST_SLOPE: Final = 1e-3

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class AbstainConfig(BaseModel):
    """How often the verdict may be withheld: by coverage, or by the risk that may remain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doubt: Literal["margin", "disagreement"] = Field(
        default="margin",
        description="What tells a doubtful verdict: the logit's distance to the threshold (free), "
        "or how many actions would change it (asks the detector about all of them)",
    )
    coverage: float | None = Field(
        default=None, gt=0, le=1, description="Share of the faces that shall get a verdict"
    )
    risk: float | None = Field(
        default=None, ge=0, lt=1, description="Share of the verdicts given that may be wrong"
    )
    held_out: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the groups kept to set the limit on"
    )

    @model_validator(mode="after")
    def _one_target(self) -> AbstainConfig:
        if (self.coverage is None) == (self.risk is None):
            raise ValueError("set either coverage or risk")
        return self


def with_doubt(
    policy: Policy,
    table: LogitTable,
    encoder: StateEncoder,
    config: AbstainConfig,
) -> AbstainingPolicy:
    """Returns the policy with doubts, calibrated and limited on the faces of a table.

    The chance of a wrong verdict is fitted as a logistic function of the measure of doubt (Platt
    1999, with its smoothed targets). For a coverage the limit is the doubt that so many faces do
    not exceed; for a risk it is the largest at which no larger share of the verdicts given is
    wrong. Both hold on these faces, and elsewhere as far as elsewhere is like them.

    Args:
        policy: What comes to verdicts.
        table: Faces that the policy has not learned from; filled as far as it is asked.
        encoder: What the policy sees.
        config: The measure and the target.

    Raises:
        BadConfigError: If there is no face, or not even the surest verdicts keep the risk.
    """
    if not len(table.faces):
        raise BadConfigError("there is no face to set the limit of doubt on")
    judged = Learned(policy, encoder).judge(table)
    made = AbstainingPolicy(policy, doubt=config.doubt, actions=len(table.actions))
    verdicts = Verdicts(
        logits=torch.from_numpy(judged.logits),
        actions=torch.from_numpy(judged.actions),
        calls=torch.from_numpy(judged.calls),
    )
    everyone = np.arange(len(table.faces), dtype=np.int64)
    ask = TableQuestions(table, everyone, looked=False, device=torch.device("cpu"))
    measure, _ = made.measure(verdicts, ask, table.threshold)
    wrong = judged.fake != (table.labels == 1)
    made.slope, made.intercept = _platt(measure.double().numpy(), wrong)
    made.limit = limit_of(made.chance(measure).numpy(), wrong, config)
    return made


def limit_of(doubt: Floats, wrong: Bools, config: AbstainConfig) -> float:
    """Returns the doubt above which a verdict is withheld.

    Args:
        doubt: float32 (N,).
        wrong: bool (N,), where the verdict is wrong.
        config: The target.

    Raises:
        BadConfigError: If not even the surest verdicts keep the risk.
    """
    order = np.argsort(doubt, kind="stable")
    ranked = doubt[order]
    if config.coverage is not None:
        return float(ranked[int(np.ceil(config.coverage * len(ranked))) - 1])
    risk = config.risk or 0.0
    risks = np.cumsum(wrong[order]) / np.arange(1, len(ranked) + 1)
    ends = np.r_[ranked[1:] != ranked[:-1], True]  # equal doubts are answered together or not
    kept = np.flatnonzero(ends & (risks <= risk))
    if not len(kept):
        least = risks[ends].min()
        raise BadConfigError(
            f"no share of the verdicts has a risk of {risk:g}; the least is {least:.3g}",
            hint="allow a higher risk, or set a coverage",
        )
    return float(ranked[kept[-1]])


def _platt(measure: NDArray[np.float64], wrong: Bools) -> tuple[float, float]:
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
    # More of the measure never means less doubt, whatever a handful of faces say.
    slope = max(float(model.coef_[0, 0]), _LEAST_SLOPE) / spread
    return slope, float(model.intercept_[0])
