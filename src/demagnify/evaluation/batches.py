"""The paper's protocol: the metrics' mean over 100 random batches of 32 validation faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from demagnify.core import rng as randomness
from demagnify.evaluation.context import Settings
from demagnify.evaluation.grid import JudgedSplit, none_if_nan
from demagnify.evaluation.metrics import METRICS, Floats, MetricName
from demagnify.evaluation.result import ADAPTIVE, BatchFigures
from demagnify.evaluation.statistics import mean_defined


def draw_batches(faces: int, settings: Settings) -> NDArray[np.int64]:
    """Returns the face numbers of random batches: (batches, batch size).

    Within a batch no face comes twice; batches are drawn independently of one another, each from
    its own generator. A split smaller than a batch gives batches of all its faces.
    """
    size = min(settings.batch_size, faces)
    return np.stack(
        [
            randomness.generator(settings.seed, "evaluation-batch", number).permutation(faces)[
                :size
            ]
            for number in range(settings.batches)
        ]
    )


def batch_figures(
    split: JudgedSplit, settings: Settings, defenses: Sequence[str]
) -> Iterator[BatchFigures]:
    """Yields the mean over random batches and the pooled figures.

    A batch without a face of one class counts only towards the metrics that it defines. Of several
    trainings the first is meant.

    Args:
        split: The judged faces.
        settings: How many batches, of which size, drawn by which seed.
        defenses: Whose cells are summed up so; all attacks but the adaptive one.
    """
    batches = draw_batches(len(split.labels), settings)
    weights = np.zeros((len(batches), len(split.labels)), dtype=np.uint16)
    np.put_along_axis(weights, batches, 1, axis=1)
    for cell in split:
        if cell.attack == ADAPTIVE or cell.defense not in defenses:
            continue
        scores = cell.measured.scores
        yield BatchFigures(
            split=split.name,
            attack=cell.attack,
            defense=cell.defense,
            batches=len(batches),
            batch_size=batches.shape[1],
            mean=_by_name(mean_defined(scores.weighted(weights))),
            pooled=_by_name(scores.weighted(weights.sum(axis=0, keepdims=True))[0]),
        )


def _by_name(values: Floats) -> dict[MetricName, float | None]:
    return {name: none_if_nan(value) for name, value in zip(METRICS, values, strict=True)}
