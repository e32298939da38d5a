"""Under which circumstances a result came about: settings, data, software, hardware."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Record(BaseModel):
    """Base of everything in the document: frozen, no unknown field, no NaN in the JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _none_if_not_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Measure = Annotated[float | None, BeforeValidator(_none_if_not_finite)]
"""A figure from elsewhere: JSON knows no NaN and no infinity, so they become nothing."""


Familiarity = Literal["clean", "seen", "other-setting", "unseen", "control", "adaptive"]
"""How well the defences know an attack; see `demagnify.evaluation.familiarity`."""


class SkippedFile(Record):
    """A file that could not be used."""

    name: str
    reason: str


class AttackEntry(Record):
    """An attack as it was judged."""

    name: str
    seen: bool = Field(description="Whether the defence was trained against it")
    familiarity: Familiarity | None = Field(
        default=None, description="How well the defences know it; nothing in old documents"
    )
    n: int | None = Field(default=None, description="Faces on which quality was measured")
    psnr_mean: Measure = Field(default=None, description="dB, attacked against clean")
    psnr_sd: Measure = None
    ssim_mean: Measure = Field(default=None, description="0 to 1, attacked against clean")
    ssim_sd: Measure = None

    @classmethod
    def of(cls, name: str, psnr: ArrayLike, ssim: ArrayLike, *, seen: bool = False) -> AttackEntry:
        """Returns an attack with the mean and the standard deviation of its quality.

        Args:
            name: The attack's name.
            psnr: (N,) in dB; of images that the attack left unchanged infinite, and left out.
            ssim: (N,), 0 to 1.
            seen: Whether the defence was trained against it.
        """
        decibels = np.asarray(psnr, dtype=np.float64)
        decibels = decibels[np.isfinite(decibels)]
        similarity = np.asarray(ssim, dtype=np.float64)
        return cls(
            name=name,
            seen=seen,
            n=len(similarity),
            psnr_mean=float(decibels.mean()) if len(decibels) else None,
            psnr_sd=float(decibels.std(ddof=1)) if len(decibels) > 1 else None,
            ssim_mean=float(similarity.mean()) if len(similarity) else None,
            ssim_sd=float(similarity.std(ddof=1)) if len(similarity) > 1 else None,
        )


class Versions(Record):
    """What software computed it."""

    demagnify: str
    python: str
    packages: dict[str, str]


class Machine(Record):
    """What hardware computed it."""

    processor: str
    cores: int
    memory_gib: float
    device: str
    system: str


class Settings(Record):
    """How the evaluation was made."""

    seed: int = Field(default=0, ge=0, description="Seed of resamples, batches, random actions")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Of the intervals")
    batches: int = Field(default=100, ge=1, description="Random batches of the paper's protocol")
    batch_size: int = Field(default=32, ge=1, description="Faces per batch of that protocol")
    selection_split: str = Field(
        default="val", description="The only split on which anything is chosen"
    )
    rivals: bool = Field(
        default=True, description="Whether rivals that learn are fitted on that split"
    )


class Context(Record):
    """What is recorded beside the figures: nothing here is computed by the evaluation."""

    command: str = Field(default="", description="The command line that made it")
    title: str = Field(default="", description="A name for the run")
    seen_attacks: tuple[str, ...] = Field(
        default=(), description="Attacks that any of the defences or detectors was trained against"
    )
    attacked: Literal["all", "fakes", "reals"] = Field(
        default="all", description="Which faces the attacker attacks; the others stay clean"
    )
    base: str = Field(default="", description="The detector that all are measured against")
    training_data: Literal["", "same", "other", "partly"] = Field(
        default="",
        description="Whether the training faces came from the data sets judged here; empty: "
        "nobody recorded it",
    )
    costs: dict[str, float] = Field(
        default_factory=dict,
        description="Time per face of each action, in passes of the base detector",
    )
    device: str = Field(default="cpu", description="Where the networks ran")
    data: str = Field(default="", description="Where the faces come from, in a sentence")
    skipped: dict[str, tuple[SkippedFile, ...]] = Field(
        default_factory=dict, description="Unusable files per split"
    )
    detector: dict[str, Any] = Field(
        default_factory=dict, description="The detector's card: backbone, training, limits"
    )
    configuration: dict[str, Any] = Field(
        default_factory=dict, description="The resolved configuration of the run"
    )
    attack_quality: tuple[AttackEntry, ...] = Field(
        default=(), description="PSNR and SSIM per attack"
    )
    learner_history: tuple[dict[str, Measure], ...] = Field(
        default=(), description="The defence's learning curve: one row per log point"
    )
    detector_history: tuple[dict[str, Measure], ...] = Field(
        default=(), description="The detector's training: one row per epoch"
    )
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds per stage")
    warnings: tuple[str, ...] = Field(default=(), description="What the reader should know")
