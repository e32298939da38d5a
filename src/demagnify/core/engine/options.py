"""How much work is done at once, and by what."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineOptions(BaseModel):
    """Where units of work are done."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    engine: Literal["local", "ray"] = Field(
        default="local",
        description="What shares out the work: local (processes on this machine), or ray (Ray "
        "Data, on the cluster of RAY_ADDRESS, or on this machine if that is not set).",
    )
    workers: int | None = Field(
        default=None,
        ge=0,
        description="Worker processes: one per processor if not set, 0 for none: all is done in "
        "this process.",
    )
    unit: int = Field(
        default=256,
        ge=1,
        description="Inputs per unit of work: one shard each, and the most that a worker does "
        "again after an interruption.",
    )

    @property
    def given(self) -> bool:
        """Whether anything of it was asked for."""
        return bool(self.model_fields_set)
