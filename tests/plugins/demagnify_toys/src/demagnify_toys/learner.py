"""A learner that has nothing to learn."""

from typing import Literal

from pydantic import Field

from demagnify.agents.learners import Learner, LearnerConfig, TrainedPolicy
from demagnify_toys.policy import LastAction


class LastActionConfig(LearnerConfig):
    """No settings of its own."""

    name: Literal["toy-last"] = Field(default="toy-last", description="The learner")


class LastActionLearner(Learner):
    """Returns the policy of the last action."""

    config_type = LastActionConfig

    def train(self, data, checkpoint):
        return TrainedPolicy(policy=LastAction(len(data.table.transforms)).eval(), history=[])
