"""The settings of hardening."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from demagnify.agents.learners import FullInformationConfig
from demagnify.core.settings import Frozen, RunOptions
from demagnify.detectors.config import Optimization

_LATER: Final = ("blended", "balance", "consistency")
_OF_THE_RUN: Final = frozenset(("detector", "size", *RunOptions.model_fields))


class SurrogateConfig(Frozen):
    """The small super-resolution networks that the loop trains for itself."""

    count: int = Field(
        default=15,
        ge=0,
        description="How many small super-resolution networks the loop trains for itself first, "
        "for the agent to choose from; 0 for none.",
    )
    faces: int = Field(
        default=800, ge=1, description="Training faces for them, subsampled by group."
    )
    steps: int = Field(
        default=800,
        ge=1,
        description="Training steps of each network; enhancing ones take three times as many.",
    )
    batch_size: int = Field(default=16, ge=1, description="Crops per training step.")


class HardeningConfig(RunOptions):
    """How agent and detector train in turns, and on which data."""

    rounds: int = Field(default=3, ge=1, description="Most rounds of agent and detector.")
    patience: int = Field(
        default=2, ge=1, description="Rounds without a better validation score before it stops."
    )
    agent_faces: int = Field(
        default=600, ge=8, description="Training faces for the agent, subsampled by group."
    )
    validation_faces: int = Field(
        default=300, ge=8, description="Validation faces that score a round."
    )
    clean: float = Field(
        default=0.3, ge=0, le=1, description="Share of the training faces that stay clean."
    )
    explore: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the others that get a random degradation instead of the agent's "
        "choice; with 1 no agent takes part.",
    )
    blended: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the real training faces that join a second time as fakes, blended "
        "with themselves.",
    )
    balance: bool = Field(
        default=False,
        description="Whether small data sets take part more often: passes over a set grow with the "
        "square root of the largest set's size over its own.",
    )
    consistency: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the verdicts in the training targets that the detector before "
        "hardening has on the clean faces, where it is right.",
    )
    degradations: tuple[str, ...] = Field(
        default=(), description="The filters in the attack pool; all where none is named."
    )
    attacks: tuple[str, ...] = Field(
        default=(),
        description="Published attacks in the attack pool, each by a name from attack --list or a "
        "network file. They count as seen afterwards.",
    )
    surrogates: SurrogateConfig = Field(
        default=SurrogateConfig(), description="Networks in the attack pool that the loop trains."
    )
    state: str = Field(default="spectrum", description="What the agent observes of a face.")
    learner: FullInformationConfig = Field(
        default=FullInformationConfig(), description="How the agent learns."
    )
    training: Optimization = Field(
        default=Optimization(epochs=1, learning_rate=2e-4, batch_size=32),
        description="How the detector is fine-tuned in each round.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of every draw.")
    detector: str = Field(
        default="light", description="The detector to start from, as in detect --detector."
    )
    size: int = Field(default=224, ge=16, description="Side of the faces in pixels.")

    def identity(self) -> dict[str, Any]:
        """Returns the settings on which the result depends, apart from detector and faces."""
        # Left at their defaults, settings that came later change nothing for older loops.
        later = {name for name in _LATER if not getattr(self, name)}
        of_training = self.training.unmarked() - {
            "save_seconds"
        }  # it was among them from the start
        whole = {*_OF_THE_RUN, "attacks", *later}
        return self.model_dump(
            mode="json", exclude={**dict.fromkeys(whole, True), "training": of_training}
        )
