"""What actions cost beside the detector that follows them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import torch

from demagnify.agents.defended import DefendedDetector
from demagnify.core.files import write_text
from demagnify.data import FaceDataset

_FACES: Final = 16
_REPEATS: Final = 3


def action_costs(faces: FaceDataset, defended: DefendedDetector, path: Path) -> dict[str, float]:
    """Returns the time of each action, in passes of the detector over the same faces.

    Args:
        faces: Some of them, the first 16, are used.
        defended: A detector and what can be done before it.
        path: Where the figures are kept, so that they stay what they were.
    """
    if path.exists():
        kept: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        if set(kept) == set(defended.actions.names):
            return kept
    costs = _measured(faces, defended)
    write_text(path, json.dumps(costs, indent=1) + "\n")
    return costs


def _measured(faces: FaceDataset, defended: DefendedDetector) -> dict[str, float]:
    images = faces.batch(np.arange(min(_FACES, len(faces)))).to(defended.device or "cpu")
    one = _seconds(lambda: defended.detector.logits(images))
    return {
        action.name: 0.0
        if action.leaves_pixels
        else round(_seconds(_task(action, images)) / one, 4)
        for action in defended.actions
    }


def _task(
    action: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor
) -> Callable[[], object]:
    return lambda: action(images)


def _seconds(task: Callable[[], object]) -> float:
    """The shortest of a few runs."""
    taken = []
    for _ in range(_REPEATS):
        _wait()
        start = time.perf_counter()
        task()
        _wait()
        taken.append(time.perf_counter() - start)
    return min(taken)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
