"""Between the detector that came and what became of it.

The mean of the weights before and after fine-tuning keeps much of what both know and costs nothing
when judging: Wortsman et al., "Robust fine-tuning of zero-shot models" (CVPR 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch

from demagnify.detectors.detector import Detector
from demagnify.detectors.judging import choose_threshold
from demagnify.hardening.judge import Judge, Round

SHARES: Final = (0.25, 0.5, 0.75)
"""How much of the fine-tuned weights is tried."""


def between(start: Detector, tuned: Detector, share: float, *, folder: Path) -> Detector:
    """Returns a detector whose weights lie between two others'.

    Args:
        start: As it came.
        tuned: The same network after fine-tuning.
        share: Of the tuned weights, 0 to 1.
        folder: Where the mean is kept meanwhile.
    """
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


def best_between(
    start: Detector, tuned: Detector, number: int, judge: Judge, *, folder: Path
) -> tuple[Detector, list[Round]]:
    """Tries means of two detectors' weights, each with a threshold of its own.

    Threshold and share are chosen on the judge's faces, on which untouched faces and all
    degradations together weigh the same.

    Args:
        start: As it came.
        tuned: Of the best round.
        number: Of that round.
        judge: Who judges.
        folder: Where answers and weights are kept.

    Returns:
        The best of the means, and the records of all.
    """
    found: list[tuple[Detector, Round]] = []
    for share in SHARES:
        place = f"{number}-share-{share:g}"
        mean = between(start, tuned, share, folder=folder / place / "detector")
        table = judge.table(mean, place)
        repeats = np.r_[table.logits.shape[1] - 1, np.ones(table.logits.shape[1] - 1, np.int64)]
        logits = np.repeat(table.logits, repeats, axis=1)
        labels = np.repeat(table.labels[:, None], logits.shape[1], axis=1)
        mean.threshold = choose_threshold(labels.ravel(), logits.ravel()).threshold
        table = judge.table(mean, place)
        found.append((mean, judge.record(table, number).model_copy(update={"share": share})))
    best = max(found, key=lambda pair: pair[1].score)
    return best[0], [record for _, record in found]
