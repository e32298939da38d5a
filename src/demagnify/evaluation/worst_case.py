"""The attacker who knows the defence: for every face the attack of the run that hurts it most.

The logits of a defence under every attack are known, so its own worst case needs no further pass of
the detector: of a fake the lowest score, of a real face the highest. Leaving the face alone is
among the choices, so that n attacks cost the attacker n + 1 questions. Unlike all other columns,
this one holds other faces for every defence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demagnify.agents.judgement import Judgement

Array = NDArray[Any]


def worst_of(judgements: Sequence[Judgement], labels: NDArray[np.int64]) -> Judgement:
    """Returns what a defence says about each face under the attack that hurts it most there.

    Args:
        judgements: Of one defence on the same N faces, clean and under each attack, all with one
            threshold.
        labels: int64 (N,), 0 real and 1 fake.

    Raises:
        ValueError: If the thresholds differ.
    """
    first = judgements[0]
    if any(one.threshold != first.threshold for one in judgements):
        raise ValueError("scores under different attacks have different thresholds")
    logits = np.stack([one.logits for one in judgements])
    worst = np.where(labels == 1, logits, -logits).argmin(axis=0)
    faces = np.arange(len(labels))

    def taken(part: Callable[[Judgement], Array | None]) -> Array | None:
        parts = [part(one) for one in judgements]
        there = [one for one in parts if one is not None]
        return np.stack(there)[worst, faces] if len(there) == len(parts) else None

    return Judgement(
        logits=logits[worst, faces],
        actions=taken(lambda one: one.actions),
        threshold=first.threshold,
        unsure=taken(lambda one: one.unsure),
        doubt=taken(lambda one: one.doubt),
        calls=taken(lambda one: one.calls),
    )
