"""The state of a training, from which a killed one continues."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from demagnify.core import artifacts
from demagnify.core.errors import BadArtifactError

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
    """The state of one training, in a folder of its own beside the output.

    Args:
        output: Where the finished detector shall stand.
        identity: What the result depends on; a state of another one is refused.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        self.folder = output.with_name(output.name + ".training")
        self.path = self.folder / "state.safetensors"
        self.identity = dict(identity)

    def save(self, parts: Mapping[str, Tensors], progress: Progress) -> None:
        """Writes the state in one step."""
        tensors = {f"{part}/{key}": v for part, named in parts.items() for key, v in named.items()}
        state = {
            "identity": self.identity,
            "progress": {
                "epoch": progress.epoch,
                "step": progress.step,
                "loss_sum": progress.loss_sum,
                "seconds": progress.seconds,
                "history": [epoch.model_dump() for epoch in progress.history],
                "best": progress.best,
            },
        }
        artifacts.save_state(self.path, tensors, state)

    def load(self) -> tuple[dict[str, Tensors], Progress] | None:
        """Reads the state; None if there is none.

        Raises:
            BadArtifactError: If it is damaged, or belongs to another training.
        """
        if not self.path.exists():
            return None
        tensors, state = artifacts.load_state(self.path)
        check_same(state.get("identity"), self.identity, self.folder)
        parts: dict[str, Tensors] = {}
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = tensor
        kept = dict(state["progress"])
        kept["history"] = [Epoch.model_validate(epoch) for epoch in kept["history"]]
        return parts, Progress(**kept)

    def remove(self) -> None:
        """Deletes the state, and what killed savings left beside it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def check_same(found: object, wanted: Mapping[str, Any], folder: Path) -> None:
    """Checks that what lies in `folder` comes from this very training.

    Raises:
        BadArtifactError: If it does not; the message names what differs.
    """
    old = found if isinstance(found, dict) else {}
    differing = [key for key in wanted if old.get(key) != wanted[key]]
    if differing:
        raise BadArtifactError(
            f"{folder} belongs to another training: {', '.join(differing)} differ",
            hint="choose another output folder, or delete this one to start anew",
        )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Returns an optimizer's moments by "parameter.moment"; its settings are not among them."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{key}": v for index, moments in state.items() for key, v in moments.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Puts back what `optimizer_tensors` gave."""
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
