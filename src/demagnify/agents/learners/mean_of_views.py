"""The learner with nothing to learn: its policy averages over all actions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from demagnify.agents.learners.base import (
    LEARNERS,
    Checkpoint,
    Learner,
    LearnerConfig,
    TrainedPolicy,
    TrainingData,
)
from demagnify.agents.policies.simple import MeanOfViews


class MeanOfViewsConfig(LearnerConfig):
    """The mean over all actions; there is nothing to train."""

    name: Literal["mean-of-views"] = Field(default="mean-of-views", description="The learner")


@LEARNERS.register("mean-of-views")
class MeanOfViewsLearner(Learner):
    """Returns the policy `MeanOfViews`, without reading faces, states or rewards."""

    config_type = MeanOfViewsConfig
    uses_state = False

    def train(self, data: TrainingData, checkpoint: Checkpoint) -> TrainedPolicy:  # noqa: ARG002
        """See `Learner.train`."""
        return TrainedPolicy(policy=MeanOfViews(len(data.table.transforms)).eval(), history=[])
