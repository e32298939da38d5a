"""What decides between epochs, and where the threshold lies: the validation faces alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score, roc_curve


class Choice(NamedTuple):
    """A threshold and the balanced accuracy that it reaches where it was chosen."""

    threshold: float
    balanced_accuracy: float


def choose_threshold(labels: ArrayLike, logits: ArrayLike) -> Choice:
    """Returns the threshold with the highest balanced accuracy.

    It lies half-way between two neighbouring logits, so that neither sits on the edge. Of
    several that are as good the highest is taken: fewer real faces are called fake.

    Args:
        labels: 0 real, 1 fake; both must occur.
        logits: One per label, finite.
    """
    scores = np.asarray(logits, dtype=np.float32)
    fpr, tpr, cuts = roc_curve(labels, scores, drop_intermediate=False)
    balanced = (tpr + 1.0 - fpr) / 2.0
    best = int(np.argmax(balanced))
    # Fake is everything from this cut up; the first cut, infinity, calls nothing fake.
    fakes, others = scores[scores >= cuts[best]], scores[scores < cuts[best]]
    return Choice(_between(others, fakes), float(balanced[best]))


def _between(below: NDArray[np.float32], above: NDArray[np.float32]) -> float:
    """A float32 half-way between two sets of logits; one of them may be empty."""
    if not len(above):
        return float(below.max())
    if not len(below):
        return float(above.min() - np.float32(1.0))
    middle = (below.max() + above.min()) / np.float32(2.0)
    # Between neighbouring floats there is no third one.
    return float(middle if middle < above.min() else below.max())


def area_under_curve(labels: ArrayLike, logits: torch.Tensor) -> float:
    """Returns the area under the ROC curve, fake being positive."""
    return float(roc_auc_score(labels, logits.numpy()))
