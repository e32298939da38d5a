"""How the adaptive attacker goes about it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Order = Literal["success", "quality", "given"]
Targets = Literal["fakes", "reals", "all"]

DEFAULT_BUDGET: Final = 16


class AdaptiveSettings(BaseModel):
    """What the attacker may do for each face."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    budget: int = Field(
        default=DEFAULT_BUDGET,
        ge=2,
        description="Queries to the detector per face; the one about the original counts, too",
    )
    stop_at_success: bool = Field(
        default=False,
        description="Whether the first attack that turns the verdict is taken, instead of the one "
        "that moves the score furthest within the budget",
    )
    order: Order = Field(
        default="success",
        description="Which attack is tried first: the one that succeeded most often on earlier "
        "faces of the same label, the one closest to the original, or the list's first",
    )
    targets: Targets = Field(
        default="all",
        description="Fakes are attacked to pass as real, real faces to be called fake",
    )
    min_psnr: float = Field(
        default=0.0,
        ge=0.0,
        description="Attacks that leave a face with less PSNR, in dB, are not tried on it",
    )
    block: int = Field(
        default=32,
        ge=1,
        description="How many faces are attacked side by side; what succeeded on them orders the "
        "attacks on the next ones",
    )
