"""The settings of the sparring networks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Lessons(BaseModel):
    """How much each sparring network is taught."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=800, ge=1, description="Steps of Adam, by the effort of a design")
    batch_size: int = Field(default=16, ge=1, description="Crops per step")


class Sparring(BaseModel):
    """Which sparring networks take part in the loop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partners: int = Field(default=15, ge=0, description="How many networks; 0 for none")
    faces: int = Field(
        default=800, ge=1, description="Training faces on which they learn, drawn by group"
    )
    lessons: Lessons = Field(default=Lessons(), description="How much each is taught")
