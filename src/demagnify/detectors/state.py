"""The state of a training, from which a killed one continues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

from demagnify.core import artifacts

Tensors = dict[str, torch.Tensor]


class Epoch(BaseModel):
    """One pass over the training faces, and the validation after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int = Field(description="1 for the first")
    loss: float = Field(description="Mean training loss, on augmented faces")
    val_loss: float = Field(description="Mean validation loss")
    val_auc: float = Field(description="Area under the ROC curve on the validation faces")
    val_balanced_accuracy: float = Field(description="On the validation faces at `threshold`")
    threshold: float = Field(description="Logit chosen on the validation faces")
    learning_rate: float = Field(description="At the end of the epoch")
    images_per_second: float = Field(description="Of training, without validation")

    def rank(self) -> tuple[float, float]:
        """Returns the key that is larger for a better epoch: its AUC, then its loss."""
        return self.val_auc, -self.val_loss


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        epoch: The pass over the data that is under way; 0 for the first.
        step: Steps done in this epoch.
        loss_sum: Training losses of this epoch's steps, added up.
        seconds: Time that this epoch's steps took.
        history: The epochs that are done.
        best: Which of them is the best, as its place in `history`; -1 before the first.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)
    best: int = -1


class StateFile:
    """The state of one training.

    Args:
        folder: A folder that this training has claimed; see `demagnify.core.runs`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.safetensors"

    def save(self, parts: Mapping[str, Tensors], progress: Progress) -> None:
        """Writes the state in one step."""
        tensors = {f"{part}/{key}": v for part, named in parts.items() for key, v in named.items()}
        history = [epoch.model_dump() for epoch in progress.history]
        artifacts.save_state(self.path, tensors, {**vars(progress), "history": history})

    def load(self) -> tuple[dict[str, Tensors], Progress] | None:
        """Reads the state; None if there is none.

        Raises:
            BadArtifactError: If it is damaged.
        """
        if not self.path.exists():
            return None
        tensors, state = artifacts.load_state(self.path)
        parts: dict[str, Tensors] = {}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = tensor
        history = [Epoch.model_validate(epoch) for epoch in state["history"]]
        return parts, Progress(**{**state, "history": history})


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Returns an optimizer's moments by "parameter.moment"; its settings are not among them."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": v for index, moments in state.items() for key, v in moments.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restores the moments that `optimizer_tensors` returned."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        like = parameters[int(index)]
        # Fused optimizers walk through memory: moments must lie as their parameter does.
        fits = tensor.shape == like.shape
        placed = torch.empty_like(like).copy_(tensor) if fits else tensor
        state.setdefault(int(index), {})[key] = placed
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
