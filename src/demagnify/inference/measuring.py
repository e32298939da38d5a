"""Error rates of calibrated verdicts by condition, counted on labelled faces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from demagnify.core import images, progress
from demagnify.core.errors import BadConfigError
from demagnify.core.images import Pixels
from demagnify.core.rng import generator
from demagnify.inference.calibration import ANY, Calibration
from demagnify.inference.conditions import QUALITIES, SIZES, Condition, Rate
from demagnify.inference.fitting import Rows
from demagnify.inference.labelled import Ask, Faces, Laundering
from demagnify.transforms.base import Transform

_Cell = tuple[int, int | None]
"""Side of a face, and the quality at which it is stored; None: not as JPEG."""


def measure(
    faces: Faces,
    ask: Ask,
    calibration: Calibration,
    launder: Laundering,
    enhancers: Sequence[Transform] = (),
) -> list[Condition]:
    """Returns the error rates of the calibrated verdicts by condition.

    Half of the faces are clean, half laundered; each counts a second time enhanced by one of the
    networks, if there are any. Every face is shrunk to each size that is not above its own, and
    stored at each JPEG quality and without JPEG. Rates for any answer about enhancement are those
    of the limits for any face, without enhanced ones; beside them stand those of each answer that
    has limits of its own.

    Args:
        faces: Labelled faces that the calibration was not fitted on.
        ask: Asks the defence, and about enhancement.
        calibration: Gives the verdicts.
        launder: Launders the faces.
        enhancers: Networks that enhance them.
    """
    random = generator(0, "conditions")
    turned = random.integers(2, size=len(faces)) == 1
    networks = random.integers(max(len(enhancers), 1), size=len(faces))
    cells: dict[_Cell, list[Rows]] = defaultdict(list)
    with progress.bar("measuring error rates", len(faces)) as advance:
        for rows, batch in faces.parts():
            clean, washed = images.from_batch(batch), launder(rows, batch)
            mixed = [
                other if turn else one
                for one, other, turn in zip(clean, washed, turned[rows], strict=True)
            ]
            versions = [("", rows, mixed)]
            for place, network in enumerate(enhancers):
                mine = np.flatnonzero(networks[rows] == place)
                if len(mine):
                    crops = images.from_batch(network(batch[mine]).cpu())
                    versions.append((network.name, rows[mine], crops))
            for name, chosen, crops in versions:
                for cell, stored in _stored(crops):
                    cells[cell].append(faces.asked(chosen, ask, stored, enhancer=name))
            advance(len(rows))
    found = []
    for side, sizes in SIZES.items():
        for quality, limits in ((None, None), *QUALITIES.items()):
            if cells[side, quality]:
                whole = Rows.joined(cells[side, quality])
                found += _count(whole, calibration, sizes, limits)
    return found


def _stored(crops: Sequence[Pixels]) -> list[tuple[_Cell, list[Pixels]]]:
    """Returns faces of one side shrunk to each size, and stored at each quality."""
    own = crops[0].shape[0]
    found: list[tuple[_Cell, list[Pixels]]] = []
    for side in SIZES:
        if own < 0.9 * side:
            continue
        small = [images.fit(crop, min(side, own)) for crop in crops]
        found.append(((side, None), small))
        for quality in QUALITIES:
            stored = [images.through_jpeg(crop, quality) for crop in small]
            found.append(((side, quality), stored))
    return found


def _count(
    rows: Rows,
    calibration: Calibration,
    sizes: tuple[int, int],
    quality: tuple[int, int] | None,
) -> list[Condition]:
    """Returns the error rates at one size and quality, for each part of the calibration."""
    found = []
    for name in calibration.parts:
        part = rows.where(~rows.enhanced if name == ANY else rows.answered(name))
        if not len(part.logits):
            continue
        verdicts = np.array(calibration.apply(part.logits, [name] * len(part.logits)).verdicts)
        real, fake = part.labels == 0, part.labels == 1
        condition = Condition(
            face_size=sizes,
            jpeg_quality=quality,
            enhancement=name,
            fpr=rate(verdicts[real] == "fake", part.groups[real]),
            fnr=rate(verdicts[fake] == "real", part.groups[fake]),
            abstained=rate(verdicts == "unsure", part.groups) or _never(),
        )
        found.append(condition)
    return found


def _never() -> Rate:
    raise BadConfigError("there is no face under this condition")


def rate(hits: NDArray[np.bool_], groups: NDArray[np.str_]) -> Rate | None:
    """Returns the share of hits with its interval; None if there is no face.

    Faces of one group are alike, so that groups are the trials: Clopper and Pearson's exact
    interval for share x groups hits among them.

    Example:
        >>> rate(np.zeros(10, bool), np.arange(10).astype(str)).high < 0.31
        True
    """
    if not len(hits):
        return None
    share, trials = float(hits.mean()), len(set(groups.tolist()))
    count = share * trials
    low = beta.ppf(0.025, count, trials - count + 1) if count > 0 else 0.0
    high = beta.ppf(0.975, count + 1, trials - count) if count < trials else 1.0
    return Rate(
        value=share,
        low=min(float(low), share),
        high=max(float(high), share),
        faces=len(hits),
        groups=trials,
    )
