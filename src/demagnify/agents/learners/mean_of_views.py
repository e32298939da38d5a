"""The learner with nothing to learn: its policy averages over all actions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from demagnify.agents.learners.base import (
    LEARNERS,
    Learner,
    LearnerConfig,
    Strings,
    TrainedPolicy,
)
from demagnify.agents.policies.simple import MeanOfViews
from demagnify.agents.states import StateEncoder
from demagnify.scores import LogitTable


class MeanOfViewsConfig(LearnerConfig):
    """The mean over all actions; there is nothing to train."""

    name: Literal["mean-of-views"] = Field(default="mean-of-views", description="The learner")


@LEARNERS.register("mean-of-views")
class MeanOfViewsLearner(Learner):
    """Returns the policy `MeanOfViews`, without reading faces, states or rewards."""

    config_type = MeanOfViewsConfig
    uses_state = False

    def fit(
        self,
        table: LogitTable,
        encoder: StateEncoder | None = None,  # noqa: ARG002
        *,
        seed: int = 0,  # noqa: ARG002
        checkpoint: Path | None = None,  # noqa: ARG002
        conditions: Strings | None = None,  # noqa: ARG002
    ) -> TrainedPolicy:
        """See `Learner.fit`."""
        return TrainedPolicy(policy=MeanOfViews(len(table.transforms)).eval(), history=[])
