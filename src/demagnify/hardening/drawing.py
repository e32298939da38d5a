"""Drawing some faces of many without tearing a group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.holdout import hold_out
from demagnify.data.dataset import FaceDataset


def drawn_by_group(faces: FaceDataset, count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Returns about `count` faces, in order, drawn by group; all where there are no more."""
    if len(faces) <= count:
        return np.arange(len(faces), dtype=np.int64)
    share = max(count / len(faces), 1.5 / len(np.unique(faces.groups)))
    _, chosen = hold_out(faces.groups, share, seed=seed, purpose=purpose)
    return chosen
