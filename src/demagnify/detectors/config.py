"""How a detector is trained."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from demagnify.core.devices import Precision


class DetectorTraining(BaseModel):
    """The settings of one training; together with data and start weights they fix its result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=12, ge=1, description="Most passes over the training faces")
    batch_size: int = Field(default=32, ge=2, description="Faces per step")
    learning_rate: float = Field(default=5e-4, gt=0, description="AdamW's, after the warm-up")
    weight_decay: float = Field(
        default=0.02, ge=0, description="AdamW's, on matrices and filters only"
    )
    warmup: float = Field(
        default=0.05, ge=0, lt=1, description="Share of the steps in which the rate rises"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="How far the labels 0 and 1 are drawn to the middle"
    )
    augmentation: float = Field(
        default=1.0, ge=0, le=1, description="Scales how often faces are altered; 0 never"
    )
    patience: int = Field(
        default=4, ge=1, description="Epochs without a better validation AUC before it stops"
    )
    seed: int = Field(default=0, ge=0, description="Of order, augmentation and dropout")
    precision: Precision = Field(default="auto", description="In what the network computes")
    save_seconds: float = Field(
        default=60.0, ge=0, description="Between two savings of the state; changes no result"
    )

    def identity(self) -> dict[str, object]:
        """Returns what the result depends on, as JSON can hold it."""
        return self.model_dump(mode="json", exclude={"save_seconds"})
