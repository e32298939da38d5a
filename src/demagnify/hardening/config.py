"""The settings of the self-improving loop."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from demagnify.agents.learners.config import FullInformationConfig
from demagnify.detectors.config import DetectorTraining
from demagnify.hardening.surrogates.config import Sparring


class Hardening(BaseModel):
    """How agent and detector train in turns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int = Field(default=3, ge=1, description="Most turns")
    patience: int = Field(
        default=2, ge=1, description="Rounds without a better validation score before it stops"
    )
    probe: int = Field(
        default=600, ge=8, description="Training faces on which the agent learns, drawn by group"
    )
    judged: int = Field(
        default=300, ge=8, description="Validation faces on which a round is judged"
    )
    clean: float = Field(
        default=0.3, ge=0, le=1, description="Share of the training faces that stay as they are"
    )
    explore: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the others that get a random degradation instead of the agent's; "
        "with 1 no agent takes part",
    )
    kinds: tuple[str, ...] = Field(
        default=(), description="The filters to choose from; all where none is named"
    )
    sparring: Sparring = Field(
        default=Sparring(), description="Networks that the loop trains for itself, to choose from"
    )
    state: str = Field(default="spectrum", description="What the agent sees")
    learner: FullInformationConfig = Field(
        default=FullInformationConfig(), description="How the agent learns"
    )
    detector: DetectorTraining = Field(
        default=DetectorTraining(epochs=1, learning_rate=2e-4, batch_size=32),
        description="How the detector learns in each round",
    )
    seed: int = Field(default=0, ge=0, description="Of every choice that is drawn")
