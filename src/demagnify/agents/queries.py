"""Running the detector for a policy, on images or on a logit table, with a count of the calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import torch

from demagnify.agents.policies.base import Decisions, Policy
from demagnify.agents.states import DetectorOutput
from demagnify.detectors.detector import Detector
from demagnify.scores import Integers, LogitTable
from demagnify.transforms import TransformSet


class Queries(ABC):
    """Returns logits to a policy, and counts the detector's calls.

    A state that needed the detector's logit has paid for the original image already. A transform
    that leaves the pixels as they are then costs nothing.

    Args:
        transforms: The agent's actions.
        count: N, the number of images.
        known: Whether the logits of the original images are known, from their states.
        device: The device of the logits.
    """

    def __init__(
        self, transforms: TransformSet, count: int, *, known: bool, device: torch.device
    ) -> None:
        self.transforms = transforms
        self._known = known
        self._identity = torch.from_numpy(transforms.identity).to(device)
        self._calls = torch.full((count,), int(known), dtype=torch.int64, device=device)

    def decide(self, policy: Policy, states: torch.Tensor, threshold: float) -> Decisions:
        """Returns the policy's decisions on all N images, with the calls that were counted."""
        return replace(policy.decide(states, self, threshold), calls=self._calls)

    def __call__(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Returns the logits of some images after their actions; see `policies.base.Query`."""
        free = self._identity[actions] & self._known
        self._calls[rows] += (~free).long()
        return self._logits(rows, actions, free)

    @abstractmethod
    def _logits(
        self, rows: torch.Tensor, actions: torch.Tensor, free: torch.Tensor
    ) -> torch.Tensor:
        """Returns the logits; `free`, bool (n,), marks those that are known from the state."""


class ImageQueries(Queries):
    """Applies actions to images and runs the detector.

    With `floats` the logits are the same and have gradients to them: exact ones from
    `apply_float`; a transform without it passes them straight through (Bengio et al., 2013).

    Args:
        detector: The detector.
        transforms: The agent's actions.
        images: uint8 RGB (N, 3, H, W) on the detector's device.
        output: The detector's output for the original images; None if it did not run.
        floats: float32 RGB (N, 3, H, W) in [0, 1]: the images before rounding.
    """

    def __init__(
        self,
        detector: Detector,
        transforms: TransformSet,
        images: torch.Tensor,
        output: DetectorOutput | None,
        floats: torch.Tensor | None = None,
    ) -> None:
        super().__init__(transforms, len(images), known=output is not None, device=images.device)
        self._detector = detector
        self._images = images
        self._floats = floats
        self._original = None if output is None else output.logits.to(images.device)

    def original(self, chosen: torch.Tensor) -> torch.Tensor:
        """Returns the logits of the original images that `chosen`, bool (N,), marks.

        This serves comparisons and is not counted.
        """
        if self._original is not None:
            return self._original[chosen]
        logits: torch.Tensor = self._detector(self._images[chosen])
        return logits

    def _logits(
        self, rows: torch.Tensor, actions: torch.Tensor, free: torch.Tensor
    ) -> torch.Tensor:
        # A known logit has no gradients.
        if self._original is None or self._floats is not None or not free.any():
            return self._run(rows, actions)
        logits = self._original[rows]
        if not free.all():
            logits[~free] = self._run(rows[~free], actions[~free])
        return logits

    def _run(self, rows: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        images = self._images if len(rows) == len(self._images) else self._images[rows]
        corrected = self.transforms.apply(images, actions)
        if self._floats is not None:
            smooth = self._smooth(self._floats[rows], actions)
            corrected = corrected.float() / 255 + (smooth - smooth.detach())
        logits: torch.Tensor = self._detector(corrected)
        return logits

    def _smooth(self, floats: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Returns floats after their actions, or as they are where an action has no gradients."""
        smooth = torch.empty_like(floats)
        for number in np.unique(actions.cpu().numpy()).tolist():
            chosen, transform = actions == number, self.transforms[number]
            given = floats[chosen]
            smooth[chosen] = transform.apply_float(given) if transform.differentiable else given
        return smooth


class TableQueries(Queries):
    """Looks logits up in a table.

    Args:
        table: The table.
        indices: int64 (N,), numbers of its faces.
        known: Whether states need the detector's logit; see `Queries`.
        device: The device of the logits.
    """

    def __init__(
        self, table: LogitTable, indices: Integers, *, known: bool, device: torch.device
    ) -> None:
        super().__init__(table.transforms, len(indices), known=known, device=device)
        self._table = table
        self._indices = indices

    def _logits(
        self,
        rows: torch.Tensor,
        actions: torch.Tensor,
        free: torch.Tensor,  # noqa: ARG002
    ) -> torch.Tensor:
        logits = self._table.lookup(self._indices[rows.cpu().numpy()], actions.cpu().numpy())
        return torch.from_numpy(logits).to(rows.device)
