"""How a detector is trained."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from demagnify.core.devices import Precision
from demagnify.core.settings import Frozen, RunOptions

_NO_EFFECT: Final = frozenset({"save_seconds", "processes"})
_LATER: Final = ("accumulate", "batch_norm")


class Optimization(Frozen):
    """How the weights of a detector are trained."""

    epochs: int = Field(default=12, ge=1, description="Most passes over the training faces.")
    batch_size: int = Field(default=32, ge=2, description="Faces per training step.")
    learning_rate: float = Field(
        default=5e-4, gt=0, description="The highest learning rate of AdamW."
    )
    weight_decay: float = Field(
        default=0.02, ge=0, description="Weight decay of AdamW, on matrices and filters only."
    )
    warmup: float = Field(
        default=0.05, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="How far the labels 0 and 1 are moved to 0.5."
    )
    augmentation: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Scales how often training faces are augmented; 0 for never.",
    )
    patience: int = Field(
        default=4, ge=1, description="Epochs without a better validation AUC before it stops."
    )
    seed: int = Field(default=0, ge=0, description="Seed of order, augmentation and dropout.")
    precision: Precision = Field(
        default="auto", description="Precision of the network: auto, float32 or bfloat16."
    )
    save_seconds: float = Field(
        default=60.0, ge=0, description="Seconds between two checkpoints; no effect on the result."
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="Parts into which each step's faces are cut to save memory; their gradients "
        "are added up.",
    )
    batch_norm: Literal["batch", "frozen"] = Field(
        default="batch",
        description="Statistics of BatchNorm in training: those of the faces that are computed "
        "together (batch), or those that the start weights bring (frozen).",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="Processes on this machine that share each step, on processors or with a GPU "
        "each; weights change by rounding only.",
    )

    def identity(self) -> dict[str, object]:
        """Returns the settings on which the result depends, beside start weights and faces."""
        fields = set(Optimization.model_fields) - self.unmarked()
        return self.model_dump(mode="json", include=fields)

    def unmarked(self) -> set[str]:
        """Returns the settings that do not tell this training from others."""
        # Left at their defaults, settings that came later change nothing for older trainings.
        usual = {name: Optimization.model_fields[name].default for name in _LATER}
        return {*_NO_EFFECT, *(name for name in _LATER if getattr(self, name) == usual[name])}


class TrainDetectorConfig(Optimization, RunOptions):
    """How a detector is trained: from which weights, on which faces, and how."""

    backbone: str = Field(
        default="light",
        description="The network to train: light, resnet50 (the paper's), or any timm network; "
        "light:5 for its first five stages alone.",
    )
    weights: str | None = Field(
        default="imagenet",
        description="The weights to start from: imagenet, a .safetensors or .pth file, or none for "
        "random ones.",
    )
    size: int = Field(default=224, ge=16, description="Side of the faces in pixels.")
    attacks: tuple[str, ...] = Field(
        default=(),
        description="Attacks under which the detector is trained and validated, beside the clean "
        "faces, each by a name from attack --list or a network file. They count as seen "
        "afterwards.",
    )
