"""The epochs and steps of a training, the learning rate over them, and the faces of each step."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from pydantic import Field
from torch.nn.modules.batchnorm import _BatchNorm

from demagnify.core import artifacts
from demagnify.core import progress as progress_bar
from demagnify.core.errors import BadConfigError
from demagnify.core.parallel import prefetch
from demagnify.core.process_group import ProcessGroup
from demagnify.core.rng import derived_seed, generator
from demagnify.core.settings import Frozen
from demagnify.core.trackers import Point
from demagnify.data.dataset import FaceDataset
from demagnify.detectors.augment import Augmentation, Indices, TrainingTransform
from demagnify.detectors.batch_statistics import shared_statistics
from demagnify.detectors.config import Optimization
from demagnify.detectors.detector import Detector
from demagnify.detectors.threshold import choose_threshold

_SHARE_OF_FREE_MEMORY: Final = 0.4

Targets = NDArray[np.float32]


class Epoch(Frozen):
    """One pass over the training faces, and the validation after it."""

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

    def point(self) -> Point:
        """Returns its figures for a tracker."""
        return self.epoch, self.model_dump(exclude={"epoch"})


@dataclass
class Progress:
    """Where a training stands."""

    epoch: int = 0  # the pass over the data that is under way; 0 for the first
    step: int = 0  # steps done in this epoch
    loss_sum: float = 0.0  # training losses of this epoch's steps, added up
    seconds: float = 0.0  # time that this epoch's steps took
    history: list[Epoch] = field(default_factory=list)  # the epochs that are done
    best: int = -1  # place of the best one in `history`; -1 before the first


def imbalance(faces: FaceDataset) -> float:
    """Returns n_real / n_fake, the weight at which both classes count the same in the loss."""
    fakes = int(faces.labels.sum())
    return (len(faces) - fakes) / fakes


class TrainingLoop:
    """Trains a detector in place, epoch by epoch; see `train_detector`.

    Every random choice comes from (seed, purpose, epoch, step or face), so that weights,
    optimizer and position are all that continuing takes. Several processes do the same steps, each
    with its part of the faces: they add up gradients, and BatchNorm's statistics.

    Args:
        detector: On the device that trains.
        train: Faces to learn from.
        val: Faces to choose epoch and threshold by.
        config: The settings.
        transform: Applied to training faces before the augmentation.
        targets: float32 (N,) in [0, 1], in place of the training faces' labels in the loss.
        group: The processes that train together; each makes a loop of the same arguments.
    """

    def __init__(
        self,
        detector: Detector,
        train: FaceDataset,
        val: FaceDataset,
        config: Optimization,
        transform: TrainingTransform | None = None,
        targets: Targets | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        self.group = group or ProcessGroup()
        self.detector = detector
        self.train = train
        self.val = val
        self.config = config
        self.device = detector.mean.device
        self.progress = Progress()
        self._best: artifacts.Tensors = {}
        wanted = train.labels if targets is None else targets
        self._labels = torch.from_numpy(wanted).to(self.device, torch.float32)
        self._pos_weight = torch.tensor(imbalance(train), device=self.device)
        self._optimizer = _optimizer(detector, config, fused=self.device.type == "cuda")
        self._transform = transform
        self._augmentation = Augmentation(config.augmentation, seed=config.seed, count=len(train))
        # A short last batch would unsettle BatchNorm; the next epoch's order has it elsewhere.
        self._size = min(config.batch_size, len(train))
        if self._size < config.accumulate * self.group.size:
            raise BadConfigError(
                f"a step has {self._size} faces, fewer than accumulate={config.accumulate} x "
                f"{self.group.size} processes",
                hint="raise batch_size, or lower accumulate or processes",
            )
        self._steps = max(1, len(train) // config.batch_size)
        self._saved_at = time.monotonic()

    def run(self, state: Path | None, log: Callable[[str], None]) -> Epoch:
        """Trains to the end, or continues from the file `state`; returns the best epoch.

        The detector is left with the weights and the threshold of that epoch.

        Args:
            state: The file of rank 0; None for the other processes, which go on where it does.
            log: Gets a line about every epoch.
        """
        if state is not None and state.exists():
            self._take(*artifacts.load_state(state))
        if self.group.size > 1:
            sent = self.group.send(self._content() if self.group.leads else None)
            if not self.group.leads:
                self._take(*sent)
        faces = DeviceFaces(self.train, self.device)
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            while not self._is_over():
                self._train_epoch(faces, state)
                log(self._validate())
                self._save(state)
        best = self.progress.history[self.progress.best]
        self.detector.network.load_state_dict(self._best)
        self.detector.threshold = best.threshold
        self.detector.eval()
        return best

    def _is_over(self) -> bool:
        at = self.progress
        stale = at.epoch - 1 - at.best if at.history else 0
        return at.epoch >= self.config.epochs or stale >= self.config.patience

    def _train_epoch(self, faces: DeviceFaces, state: Path | None) -> None:
        at = self.progress
        title = f"training, epoch {at.epoch + 1} of {self.config.epochs}"
        loss_sum = torch.tensor(at.loss_sum, dtype=torch.float64, device=self.device)
        self._set_mode()
        started = time.monotonic() - at.seconds
        parts = faces.batches([part for step in self._orders()[at.step :] for part in step])
        bar = progress_bar.bar(title, self._steps) if self.group.leads else nullcontext(_no_bar)
        with bar as advance, closing(parts):
            advance(at.step)
            while at.step < self._steps:
                loss_sum += self._step(islice(parts, self.config.accumulate))
                at.step += 1
                advance(1)
                if time.monotonic() - self._saved_at >= self.config.save_seconds:
                    at.loss_sum, at.seconds = float(loss_sum), time.monotonic() - started
                    self._save(state)
        at.loss_sum, at.seconds = float(loss_sum), time.monotonic() - started

    def _set_mode(self) -> None:
        self.detector.train()
        if self.config.batch_norm == "frozen":
            for module in self.detector.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()

    def _orders(self) -> list[list[Indices]]:
        """Returns the faces of each step of this epoch, in the parts that this process computes."""
        rng = generator(self.config.seed, "order", self.progress.epoch)
        order = rng.permutation(len(self.train))
        steps = (order[step * self._size : (step + 1) * self._size] for step in range(self._steps))
        return [
            [
                np.array_split(part, self.group.size)[self.group.rank]
                for part in np.array_split(step, self.config.accumulate)
            ]
            for step in steps
        ]

    def _step(self, parts: Iterable[tuple[Indices, torch.Tensor]]) -> torch.Tensor:
        """Moves the weights once; returns the loss."""
        config = self.config
        step = self.progress.epoch * self._steps + self.progress.step
        rate = learning_rate(
            step,
            steps=config.epochs * self._steps,
            base=config.learning_rate,
            warmup=config.warmup,
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        for number, (indices, images) in enumerate(parts):
            # For dropout and the like, which take from torch's global generator.
            place = number * self.group.size + self.group.rank
            torch.manual_seed(derived_seed(config.seed, "step", step, *[place][: place > 0]))
            part = self._part_loss(indices, images)
            torch.autograd.backward(part)
            loss += part.detach()
        gradients = [p.grad for p in self.detector.parameters() if p.grad is not None]
        self.group.add_up([*gradients, loss])
        self._optimizer.step()
        return loss

    def _part_loss(self, indices: Indices, images: torch.Tensor) -> torch.Tensor:
        """Returns the loss of a part of a step's faces; the parts' add up to the step's."""
        epoch = self.progress.epoch
        labels = self._labels[torch.from_numpy(indices).to(self.device)]
        if self._transform is not None:
            images = self._transform(images, indices, epoch=epoch)
        images = self._augmentation(images, indices, epoch=epoch)
        with shared_statistics(self.group):
            logits = self.detector(images)
        loss = self._loss(logits, labels + self.config.label_smoothing * (0.5 - labels))
        return loss if len(indices) == self._size else loss * (len(indices) / self._size)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=self._pos_weight)

    def _validate(self) -> str:
        """Evaluates the epoch on the validation faces and closes it; returns a line about it."""
        from sklearn.metrics import roc_auc_score  # takes as long to import as torch

        at = self.progress
        loss = at.loss_sum / at.step
        if not torch.isfinite(torch.tensor(loss)):
            raise BadConfigError(
                f"the training loss of epoch {at.epoch + 1} is {loss}",
                hint="lower learning_rate, or compute in float32",
            )
        logits = self._logits()
        labels = torch.from_numpy(self.val.labels)
        choice = choose_threshold((self.val.labels, logits))
        epoch = Epoch(
            epoch=at.epoch + 1,
            loss=loss,
            val_loss=float(self._loss(logits.to(self.device), labels.to(self.device).float())),
            val_auc=float(roc_auc_score(self.val.labels, logits)),
            val_balanced_accuracy=choice.balanced_accuracy,
            threshold=choice.threshold,
            learning_rate=float(self._optimizer.param_groups[0]["lr"]),
            images_per_second=at.step * self._size / max(at.seconds, 1e-9),
        )
        at.history.append(epoch)
        if at.best < 0 or epoch.rank() > at.history[at.best].rank():
            at.best = len(at.history) - 1
            weights = self.detector.network.state_dict()
            self._best = {key: tensor.detach().clone() for key, tensor in weights.items()}
        at.epoch, at.step, at.loss_sum, at.seconds = at.epoch + 1, 0, 0.0, 0.0
        return _line(epoch, best=at.best == len(at.history) - 1)

    def _logits(self) -> torch.Tensor:
        """Returns the logits of the validation faces; each process classifies some batches."""
        size = 2 * self.config.batch_size
        if self.group.size == 1:
            return self.detector.logits(self.val, batch_size=size)
        mine = np.flatnonzero(np.arange(len(self.val)) // size % self.group.size == self.group.rank)
        logits = torch.zeros(len(self.val), device=self.device)
        found = self.detector.logits(self.val.subset(mine, copy=False), batch_size=size)
        logits[torch.from_numpy(mine).to(self.device)] = found.to(self.device)
        self.group.add_up([logits])
        return logits.cpu()

    def _save(self, state: Path | None) -> None:
        if state is not None:
            artifacts.save_state(state, *self._content())
        self._saved_at = time.monotonic()

    def _content(self) -> tuple[artifacts.Tensors, dict[str, Any]]:
        """Returns all that continuing takes: tensors, and the rest as JSON can hold it."""
        parts = {
            "weights": self.detector.network.state_dict(),
            "optimizer": artifacts.optimizer_tensors(self._optimizer),
            "best": self._best,
        }
        tensors = {f"{part}/{key}": v for part, named in parts.items() for key, v in named.items()}
        history = [epoch.model_dump() for epoch in self.progress.history]
        return tensors, {**vars(self.progress), "history": history}

    def _take(self, tensors: artifacts.Tensors, progress: dict[str, Any]) -> None:
        """Goes on where `_content` was taken."""
        parts: dict[str, artifacts.Tensors] = defaultdict(dict)
        for name, tensor in tensors.items():
            part, _, key = name.partition("/")
            parts[part][key] = tensor
        history = [Epoch.model_validate(epoch) for epoch in progress["history"]]
        self.progress = Progress(**{**progress, "history": history})
        self.detector.network.load_state_dict(parts["weights"])
        artifacts.restore_optimizer(self._optimizer, parts["optimizer"])
        self._best = {key: tensor.to(self.device) for key, tensor in parts["best"].items()}


def _optimizer(detector: Detector, config: Optimization, *, fused: bool) -> torch.optim.Optimizer:
    """AdamW that lets biases and BatchNorm's weights grow freely."""
    matrices = [p for p in detector.parameters() if p.ndim > 1]
    vectors = [p for p in detector.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)


def _no_bar(_count: int) -> None:
    """Advances no bar: rank 0 has one."""


def _line(epoch: Epoch, *, best: bool) -> str:
    return (
        f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, validation loss {epoch.val_loss:.4f}, "
        f"AUC {epoch.val_auc:.4f}, balanced accuracy {epoch.val_balanced_accuracy:.4f}, "
        f"{epoch.images_per_second:.0f} images/s{' (best)' if best else ''}"
    )


def learning_rate(step: int, *, steps: int, base: float, warmup: float) -> float:
    """Returns the learning rate of one step: a linear rise, then half a cosine down to zero.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, without
    restarts. It depends on the step alone, so that a continued training has no scheduler whose
    state must be saved and put back.
    """
    rising = round(steps * warmup)
    if step < rising:
        return base * (step + 1) / rising
    return base * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


class DeviceFaces:
    """Hands out batches of faces on a device, in any order.

    Faces are decoded once, when a data set is opened, and a batch is one copy from memory. Worker
    processes, as torch's DataLoader has them, would cost more than they save. On a GPU with room
    for them all faces are moved there once. Otherwise the next batch is read while the network
    works on the present one.

    Args:
        faces: The faces.
        device: Where the batches shall be.
    """

    def __init__(self, faces: FaceDataset, device: torch.device) -> None:
        self._faces = faces
        self._device = device
        self._resident = self._move_all() if self._has_room() else None

    def batches(self, orders: Sequence[Indices]) -> Generator[tuple[Indices, torch.Tensor]]:
        """Yields (indices, images uint8 (n, 3, S, S) on the device) for each set of indices."""
        if self._resident is not None:
            for indices in orders:
                yield indices, self._resident[torch.from_numpy(indices).to(self._device)]
            return
        yield from prefetch(((indices, self._read(indices)) for indices in orders), depth=1)

    def _read(self, indices: Indices) -> torch.Tensor:
        images = self._faces.batch(indices)
        if self._device.type == "cuda":
            return images.pin_memory().to(self._device, non_blocking=True)
        return images.to(self._device)

    def _has_room(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._faces.images.nbytes < free * _SHARE_OF_FREE_MEMORY

    def _move_all(self) -> torch.Tensor:
        shape = self._faces.images.shape
        resident = torch.empty(shape, dtype=torch.uint8, device=self._device)
        for indices, images in self._faces.batches(256):
            resident[indices[0] : indices[0] + len(indices)].copy_(images)
        return resident
