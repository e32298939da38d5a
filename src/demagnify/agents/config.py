"""The settings of an agent and of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from demagnify.agents.abstention import AbstainConfig
from demagnify.agents.learners import LearnerConfig
from demagnify.agents.learners.q_learning import QLearningConfig
from demagnify.core.settings import DetectorOptions, Frozen


def _learner_config(value: Any) -> Any:  # noqa: ANN401
    """Lets the registered learner's own model check the settings; without a name, Q-learning's."""
    if not isinstance(value, Mapping):
        return value
    return LearnerConfig.model_for(value).model_validate(dict(value))


class DefenseConfig(Frozen):
    """The settings of an agent; together with faces and detector they determine the result.

    The defaults are the paper's; `demagnify.agents.presets` has others.
    """

    actions: tuple[str, ...] = Field(
        default=("identity", "mask-center"),
        description="Corrections that the agent chooses from; identity is the first",
    )
    state: str | None = Field(
        default="flat-image",
        description="State that the agent observes; null if its policy uses none",
    )
    learner: Annotated[SerializeAsAny[LearnerConfig], BeforeValidator(_learner_config)] = Field(
        default=QLearningConfig(), description="The learner, by name, and its settings"
    )
    fill_table: bool = Field(
        default=False,
        description="Compute the logits of all faces and actions before training, in large "
        "batches, instead of when the agent first needs them; some learners always do",
    )
    threshold: Literal["detector", "validation"] = Field(
        default="detector",
        description="The threshold of the defence: the detector's, or the one with the best "
        "balanced accuracy on the faces of the split val, clean and under each --attack.",
    )
    abstain: AbstainConfig | None = Field(
        default=None, description="When to abstain from a verdict; null never does"
    )
    batch_size: int = Field(
        default=32, ge=1, description="The most images in one call of the detector"
    )
    seed: int = Field(default=0, ge=0, description="Seed of weights, faces and exploration")


class TrainDefenseConfig(DefenseConfig, DetectorOptions):
    """The training of an agent: before which detector, on which faces, and how."""

    detector: str = Field(
        default="light",
        description="A folder that train-detector wrote, the name of weights that come with "
        "demagnify, or one of your own: FILE.onnx, timm:NAME@weights=FILE, "
        "package.module:function; @KEY=VALUE adds what the file cannot state itself, such as "
        "@head=two-logit@fake_index=1.",
    )
    attacks: tuple[str, ...] = Field(
        default=(),
        description="Attacks under which the agent learns, beside the clean faces, each by a name "
        "from attack --list or a network file. They count as seen afterwards.",
    )
    size: int = Field(default=224, ge=32, description="Side of the faces in pixels.")
    split: Literal["train", "val"] = Field(
        default="train",
        description="Split to learn from: val where the detector was trained on train, as it is "
        "too often right on its own training faces.",
    )
    seeds: int = Field(
        default=1,
        ge=1,
        description="Number of trainings, each with the next seed, in subfolders seed-N; evaluate "
        "shows the folder as one row.",
    )

    def agent(self, seed: int | None = None) -> DefenseConfig:
        """Returns the settings that determine the result, beside faces and detector."""
        values = {name: getattr(self, name) for name in DefenseConfig.model_fields}
        return DefenseConfig(**{**values, "seed": self.seed if seed is None else seed})
