"""Means of the weights of a detector before and after hardening.

The mean of the weights before and after fine-tuning keeps much of both and costs nothing in use:
Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch

from demagnify.detectors.detector import Detector
from demagnify.detectors.threshold import choose_threshold
from demagnify.hardening.validation import Round, Validation

SHARES: Final = (0.25, 0.5, 0.75)
"""Weights of the fine-tuned detector that are tried."""


def mean_detector(start: Detector, tuned: Detector, share: float, *, folder: Path) -> Detector:
    """Returns a detector whose weights are the mean of two others', `tuned`'s counting `share`."""
    tuned.save(folder, tuned.card)
    device = str(start.device or "cpu")
    mean = Detector.load(folder, device=device, precision=start.precision)
    before, after = start.network.state_dict(), tuned.network.state_dict()
    mean.network.load_state_dict(
        {
            key: torch.lerp(before[key], value, share) if value.is_floating_point() else value
            for key, value in after.items()
        }
    )
    return mean


def best_mean(
    start: Detector, tuned: Detector, number: int, validation: Validation, *, folder: Path
) -> tuple[Detector, list[Round]]:
    """Tries means of two detectors' weights, each with a threshold of its own.

    Threshold and share are chosen on validation faces; clean faces and all degradations together
    have equal weight.
    """
    found: list[tuple[Detector, Round]] = []
    for share in SHARES:
        place = f"{number}-share-{share:g}"
        mean = mean_detector(start, tuned, share, folder=folder / place / "detector")
        table = validation.table(mean, place)
        degradations = table.logits.shape[1] - 1
        repeats = np.r_[degradations, np.ones(degradations, np.int64)]
        logits = np.repeat(table.logits, repeats, axis=1)
        labels = np.repeat(table.labels[:, None], logits.shape[1], axis=1)
        mean.threshold = choose_threshold((labels.ravel(), logits.ravel())).threshold
        record = validation.record(validation.table(mean, place), number)
        found.append((mean, record.model_copy(update={"share": share})))
    best = max(found, key=lambda pair: pair[1].score)
    return best[0], [record for _, record in found]
