"""What a preset can set: one model, so that a misspelt key is an error wherever it stands."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from demagnify.agents.config import DefenseTraining
from demagnify.detectors.config import DetectorTraining


class Preset(BaseModel):
    """The resolved configuration of a run, from the detector to its defence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    face_size: int = Field(default=224, ge=32, description="Side of the faces in pixels")
    backbone: str = Field(
        default="light", description="The detector's network: light, resnet50, or any of timm's"
    )
    detector: DetectorTraining = Field(
        default=DetectorTraining(), description="How the detector is trained"
    )
    defense: DefenseTraining = Field(
        default=DefenseTraining(), description="What the agent sees, can do, and how it learns"
    )
