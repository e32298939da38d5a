"""The settings of a defence."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from demagnify.agents.abstain import AbstainConfig
from demagnify.agents.learners.config import LearnerConfig, QLearningConfig


class DefenseTraining(BaseModel):
    """The settings of one training; together with faces and detector they fix its result.

    The defaults are the paper's; the presets stand in `demagnify.agents.presets`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    actions: tuple[str, ...] = Field(
        default=("identity", "mask-center"),
        description="What the agent can do; identity is the first",
    )
    state: str = Field(default="flat-image", description="What the agent sees of an image")
    learner: LearnerConfig = Field(
        default=QLearningConfig(), description="How the agent learns from its rewards"
    )
    fill_table: bool = Field(
        default=False,
        description="Ask the detector about every face and action before training, in large "
        "batches, instead of when the agent first tries them; learners that need to know every "
        "reward do so anyway",
    )
    abstain: AbstainConfig | None = Field(
        default=None, description="When to withhold the verdict; null always gives one"
    )
    batch_size: int = Field(
        default=64, ge=1, description="The most images that the detector sees at once"
    )
    seed: int = Field(default=0, ge=0, description="Of weights, faces and exploration")
