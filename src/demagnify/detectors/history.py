"""What a training tells about itself."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Epoch(BaseModel):
    """One pass over the training faces and the look at the validation faces after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = Field(description="1 for the first")
    loss: float = Field(description="Mean training loss, on altered faces")
    val_loss: float = Field(description="Mean validation loss")
    val_auc: float = Field(description="Area under the ROC curve on the validation faces")
    val_balanced_accuracy: float = Field(description="On the validation faces at `threshold`")
    threshold: float = Field(description="Logit chosen on the validation faces")
    learning_rate: float = Field(description="At the end of the epoch")
    images_per_second: float = Field(description="Of training, without validation")

    def rank(self) -> tuple[float, float]:
        """Returns what makes an epoch better: its AUC, and its loss where that is the same."""
        return self.val_auc, -self.val_loss
