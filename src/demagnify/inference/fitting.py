"""Fits a calibration to the logits of labelled faces.

Faces of one group (a video, a photograph) resemble one another, and one face counts clean and
laundered. So groups count, not faces: within a class every group has weight 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import logit

from demagnify.core.errors import BadConfigError
from demagnify.inference.calibration import ANSWERS, ANY, ENHANCED, LikelihoodRatio, Part

MIN_GROUPS: Final = 20
"""A class with fewer groups gets no likelihood ratio."""
_STEP: Final = 0.01
"""Step of log10 LR in the search for limits."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Logits of faces, clean, laundered and enhanced: one row for each.

    Attributes:
        logits: (N,).
        labels: (N,), 0 real and 1 fake.
        groups: (N,), the group of each face.
        laundered: bool (N,); of enhanced faces, whether they were stored as JPEG afterwards.
        enhancement: The answer about enhancement for each row; None if nobody asked.
        enhancers: The network that enhanced each row, or ""; None if none did.
        faces: The number of the face of each row; None if nothing is enhanced.
    """

    logits: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.str_]
    laundered: Bools
    enhancement: NDArray[np.str_] | None = None
    enhancers: NDArray[np.str_] | None = None
    faces: NDArray[np.int64] | None = None

    def where(self, chosen: Bools) -> Rows:
        """Returns some of the rows."""
        return self.at(np.flatnonzero(chosen))

    def at(self, places: NDArray[np.int64]) -> Rows:
        """Returns the rows at some places, in that order."""
        kept: dict[str, Any] = {
            name: None if one is None else one[places] for name, one in vars(self).items()
        }
        return Rows(**kept)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Returns the rows of all parts, one after the other."""
        whole: dict[str, Any] = {}
        for name in vars(parts[0]):
            column = [vars(part)[name] for part in parts]
            whole[name] = None if column[0] is None else np.concatenate(column)
        return cls(**whole)

    @property
    def enhanced(self) -> Bools:
        """Bool (N,), where a network enhanced the face."""
        none = np.zeros(len(self.logits), dtype=bool)
        return none if self.enhancers is None else self.enhancers != ""

    def answered(self, answer: str) -> Bools:
        """Returns where this was the answer about enhancement, bool (N,)."""
        none: Bools = np.zeros(len(self.logits), dtype=bool)
        return none if self.enhancement is None else self.enhancement == answer

    def weights(self) -> Floats:
        """Returns weights that sum to 1 in each group and class, and are alike for each kind.

        The kinds are clean, laundered, enhanced, and enhanced and stored as JPEG.
        """
        keys = [f"{label} {group}" for label, group in zip(self.labels, self.groups, strict=True)]
        kinds = self.laundered + 2 * self.enhanced
        cells = [f"{key} {kind}" for key, kind in zip(keys, kinds, strict=True)]
        _, first, cell, in_cell = np.unique(
            cells, return_index=True, return_inverse=True, return_counts=True
        )
        _, group, of_group = np.unique(
            np.asarray(keys)[first], return_inverse=True, return_counts=True
        )
        weights: Floats = (1.0 / of_group[group])[cell] / in_cell[cell]
        return weights


def fit_parts(rows: Rows, *, target_fpr: float, target_fnr: float) -> dict[str, Part]:
    """Fits limits and likelihood ratio, for any face and by the answer about enhancement.

    Those for any face come from rows that no network enhanced. The limits of an answer come from
    all rows with that answer, and are never narrower than those for any face: an answer that may
    be wrong can make a verdict unsure, but never turn real to fake or unsure to either. An answer
    with too few groups for everything that any face has gets no limits of its own. The threshold
    for "enhanced" is raised until, of no network, real faces as the network leaves them are called
    fake more often than untouched ones.

    Args:
        rows: The logits.
        target_fpr: Share of real faces that may be called fake.
        target_fnr: Share of fake faces that may be called real.

    Raises:
        BadConfigError: If there is no real or no fake face, or every verdict would be unsure.
    """
    plain = rows.where(~rows.enhanced)
    if len(set(plain.labels.tolist())) < 2:
        raise BadConfigError("calibration needs real and fake faces", hint="give labelled faces")
    parts = {ANY: _fit(plain, target_fpr, target_fnr)}
    _check_coverage(parts[ANY], target_fpr, target_fnr)
    if rows.enhancement is None:
        return parts
    for answer in ANSWERS:
        own = _fit(rows.where(rows.answered(answer)), target_fpr, target_fnr)
        wide = _widened(own, parts[ANY])
        if wide is not None:
            parts[answer] = wide
    if ENHANCED in parts:
        limit = _no_oftener(rows, parts)
        parts[ENHANCED] = parts[ENHANCED].model_copy(update={"threshold": limit})
    return parts


def fallbacks(rows: Rows, parts: Mapping[str, Part]) -> list[str]:
    """Returns a line for each answer about enhancement that got no limits of its own."""
    if rows.enhancement is None:
        return []
    lines = []
    for answer in (one for one in ANSWERS if one not in parts):
        mine = rows.where(rows.answered(answer))
        real, fake = (len(set(mine.groups[mine.labels == one].tolist())) for one in (0, 1))
        groups = f"{real} real and {fake} fake groups"
        lines.append(f"enhancement {answer}: {groups} are too few; as for any")
    return lines


def _widened(part: Part, everyone: Part) -> Part | None:
    """Returns the part with limits no narrower than for any face; None if it lacks one of them."""
    limits_of = (part.threshold, part.real_below, part.likelihood_ratio)
    wanted = (everyone.threshold, everyone.real_below, everyone.likelihood_ratio)
    if any(one is None and other is not None for one, other in zip(limits_of, wanted, strict=True)):
        return None
    above, below = everyone.threshold, everyone.real_below
    threshold = None if part.threshold is None or above is None else max(part.threshold, above)
    lower = None if part.real_below is None or below is None else min(part.real_below, below)
    return part.model_copy(update={"threshold": threshold, "real_below": lower})


def _no_oftener(rows: Rows, parts: Mapping[str, Part]) -> float | None:
    """Returns the threshold for "enhanced" above which no network adds to real faces called fake.

    Those called fake in spite of another answer count, too, and leave fewer for this one.
    """
    limit = parts[ENHANCED].threshold
    if limit is None or rows.enhancers is None or rows.faces is None or rows.enhancement is None:
        return limit
    ways = {one: parts.get(one, parts[ANY]).threshold for one in ANSWERS}
    limits_of = np.array([ways[one] for one in rows.enhancement.tolist()], dtype=np.float64)
    called = rows.logits > np.where(np.isnan(limits_of), np.inf, limits_of)
    as_it_is = (rows.labels == 0) & ~rows.laundered
    answered = rows.answered(ENHANCED)
    for network in sorted(set(rows.enhancers[rows.enhanced].tolist())):
        mine = as_it_is & (rows.enhancers == network)
        plain = as_it_is & ~rows.enhanced & np.isin(rows.faces, rows.faces[mine])
        allowed = int(called[plain].sum()) - int(called[mine & ~answered].sum())
        highest = np.sort(rows.logits[mine & answered])[::-1]
        if len(highest):
            limit = max(limit, float(highest[min(max(allowed, 0), len(highest) - 1)]))
    return limit


def _check_coverage(part: Part, target_fpr: float, target_fnr: float) -> None:
    if part.threshold is not None or part.real_below is not None:
        return
    # Above the highest of K groups lies a new one with probability 1 / (K + 1).
    reals, fakes = (math.ceil(1 / one - 1e-9) - 1 for one in (target_fpr, target_fnr))
    raise BadConfigError(
        f"too few faces: with those of {part.real_groups} real and {part.fake_groups} fake groups "
        f"every verdict would be unsure; at least {reals} real groups are needed for "
        f"{target_fpr:.1%} wrong, or {fakes} fake ones for {target_fnr:.1%}",
        hint="give more faces, or a higher --target-fpr or --target-fnr",
    )


def _fit(rows: Rows, target_fpr: float, target_fnr: float) -> Part:
    weights, fake = rows.weights(), rows.labels == 1
    groups = [len(set(rows.groups[mask].tolist())) for mask in (~fake, fake)]
    threshold = upper_limit(rows.logits[~fake], weights[~fake], target_fpr)
    lowest = upper_limit(-rows.logits[fake], weights[fake], target_fnr)
    real_below = None if lowest is None else float(np.nextafter(-lowest, -np.inf))
    if threshold is not None and real_below is not None:
        real_below = min(real_below, threshold)  # both promises hold at the threshold, too
    ratio = None
    if min(groups) >= MIN_GROUPS:
        ratio = fit_likelihood_ratio(rows.logits, rows.labels, weights)
    return Part(
        real_faces=int((~fake).sum()),
        fake_faces=int(fake.sum()),
        real_groups=groups[0],
        fake_groups=groups[1],
        threshold=threshold,
        real_below=real_below,
        likelihood_ratio=ratio,
    )


def upper_limit(scores: ArrayLike, weights: ArrayLike, share: float) -> float | None:
    """Returns the lowest score that at most `share` of new groups' faces exceed; None if none.

    The promise holds on average over calibration sets, for faces of a new group that is
    exchangeable with the K groups, without any assumption on the scores.

    Args:
        scores: (N,).
        weights: (N,); the weights of a group sum to 1, so that all sum to K.
        share: Above 0 and below 1.

    Source:
        Lee, Barber, Willett, Distribution-free inference with hierarchical data, 2023: split
        conformal prediction for groups; applied by class and by part (Mondrian).

    Example:
        >>> upper_limit(range(1, 20), [1.0] * 19, 0.1)
        18.0
    """
    values, mass = np.asarray(scores, np.float64), np.asarray(weights, np.float64)
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")[::-1]
    values, mass = values[order], mass[order]
    total = mass.sum() + 1.0  # the new group's own place, above all
    above = (1.0 + np.concatenate([[0.0], np.cumsum(mass)[:-1]])) / total
    # Of equal scores the first knows best how much lies strictly above.
    first = np.searchsorted(-values, -values, side="left")
    good = above[first] <= share + 1e-12
    return float(values[good].min()) if good.any() else None


def fit_likelihood_ratio(
    logits: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None
) -> LikelihoodRatio:
    """Fits a logistic calibration with limits; see `LikelihoodRatio`.

    Both classes count alike, so that the odds are likelihood ratios. The slope has the usual small
    penalty (C = 1), which keeps it finite where the classes do not overlap.

    Args:
        logits: (N,).
        labels: (N,), 0 real and 1 fake.
        weights: (N,); 1 if None.
    """
    x, y = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    mass = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    slope, intercept = _logistic(x, y, _balanced(mass, y))
    free = (slope * x + intercept) / math.log(10)
    low, high = limits(free, y, mass)
    bounded = np.clip(free, low, high)
    return LikelihoodRatio(
        slope=slope,
        intercept=intercept,
        low=low,
        high=high,
        cllr=cllr(bounded, y, mass),
        cllr_min=cllr(isotonic(x, y, mass), y, mass),
    )


def _balanced(mass: Floats, labels: NDArray[np.int64]) -> Floats:
    sums = np.bincount(labels, weights=mass, minlength=2)
    balanced: Floats = mass * (sums.sum() / (2 * sums))[labels]
    return balanced


def _logistic(x: Floats, labels: NDArray[np.int64], mass: Floats) -> tuple[float, float]:
    """Returns slope and intercept of the penalised logistic regression; no slope below 0."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    model.fit(x[:, None], labels, sample_weight=mass)
    slope = float(model.coef_[0, 0])
    return (slope, float(model.intercept_[0])) if slope > 0 else (0.0, 0.0)


def limits(log10_lr: Floats, labels: NDArray[np.int64], mass: Floats) -> tuple[float, float]:
    """Returns the lowest and highest log10 LR that data support: empirical bounds (ELUB).

    One misleading group is added to each class; a likelihood ratio counts as supported where
    decisions by it cost no more than decisions without any.
    """
    real, fake = labels == 0, labels == 1
    sums = {0: float(mass[real].sum()), 1: float(mass[fake].sum())}
    start = max(float(log10_lr.min()), -math.log10(sums[1] + 1))
    stop = min(float(log10_lr.max()), math.log10(sums[0] + 1))
    first, last = min(0, math.floor(start / _STEP)), max(0, math.floor(stop / _STEP) + 1)
    grid = np.arange(first, last + 1, dtype=np.float64) * _STEP
    accepted = [_share_above(log10_lr[m], mass[m], grid) for m in (real, fake)]
    false = (accepted[0] * sums[0] + 1) / (sums[0] + 1)
    true = accepted[1] * sums[1] / (sums[1] + 1)
    cost = 1 - true + 10**grid * false
    neutral = np.where(grid < 0, 10**grid, 1.0)
    bad = neutral / cost < 1
    low = np.max(grid[bad & (grid <= 0)] + _STEP, initial=grid.min())
    high = np.min(grid[bad & (grid >= 0)] - _STEP, initial=grid.max())
    return min(float(low), 0.0), max(float(high), 0.0)


def _share_above(values: Floats, mass: Floats, grid: Floats) -> Floats:
    order = np.argsort(values)
    below = np.concatenate([[0.0], np.cumsum(mass[order])])
    reached = below[np.searchsorted(values[order], grid, side="right")]
    share: Floats = 1 - reached / below[-1]
    return share


def cllr(log10_lr: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Returns the log likelihood ratio cost in bits: 0 is perfect, 1 is no information.

    Example:
        >>> cllr([0.0, 0.0], [0, 1])
        1.0
    """
    ratios, y = np.asarray(log10_lr, np.float64) * math.log2(10), np.asarray(labels)
    mass = np.ones(len(ratios)) if weights is None else np.asarray(weights, np.float64)
    costs = np.logaddexp2(0, np.where(y == 1, -ratios, ratios))
    halves = [np.average(costs[y == label], weights=mass[y == label]) for label in (0, 1)]
    return float(np.mean(halves))


def isotonic(scores: Floats, labels: NDArray[np.int64], mass: Floats) -> Floats:
    """Returns log10 LRs of the best monotone calibration (pool adjacent violators)."""
    balanced = _balanced(mass, labels)
    levels, place = np.unique(scores, return_inverse=True)
    weight = np.bincount(place, weights=balanced, minlength=len(levels))
    fakes = np.bincount(place, weights=balanced * labels, minlength=len(levels))
    share = np.clip(isotonic_regression(fakes / weight, weights=weight).x, 0.0, 1.0)
    ratios: Floats = logit(share)[place] / math.log(10)
    return ratios


def names_of(sources: Sequence[object]) -> tuple[str, ...]:
    """Returns the last part of each path: names of data sets without their places."""
    return tuple(str(source).rstrip("/").rpartition("/")[2] for source in sources)
