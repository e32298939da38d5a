"""Learners with nothing to train: each returns a policy of `policies.simple` as it is."""

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
from demagnify.agents.policies.simple import MarginCascade, MeanOfViews


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


class MarginCascadeConfig(LearnerConfig):
    """Views in their order, until their mean logit is clear of the threshold."""

    name: Literal["margin-cascade"] = Field(default="margin-cascade", description="The learner")
    band: float = Field(
        default=2.0,
        gt=0,
        description="The distance of the mean logit from the threshold at which it takes no "
        "further view.",
    )


@LEARNERS.register("margin-cascade")
class MarginCascadeLearner(Learner):
    """Returns the policy `MarginCascade`; faces, states and rewards are not read."""

    config_type = MarginCascadeConfig
    uses_state = False

    def train(self, data: TrainingData, checkpoint: Checkpoint) -> TrainedPolicy:  # noqa: ARG002
        """See `Learner.train`."""
        config: MarginCascadeConfig = self.config
        policy = MarginCascade(len(data.table.transforms), config.band)
        return TrainedPolicy(policy=policy.eval(), history=[])
