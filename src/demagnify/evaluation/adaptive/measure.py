"""Figures with intervals from an adaptive attack, face by face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demagnify.core import progress
from demagnify.data import FaceDataset
from demagnify.evaluation.adaptive.attack import Adapted, Candidates, Target
from demagnify.evaluation.adaptive.results import (
    Against,
    Class,
    Cost,
    CurvePoint,
    DefenseGain,
    Reached,
    Tried,
)
from demagnify.evaluation.adaptive.search import ORIGINAL, AdaptiveSettings, Flags
from demagnify.evaluation.metrics import Floats, Scores
from demagnify.evaluation.results import Estimate
from demagnify.evaluation.statistics import GroupResamples, Measured, interval
from demagnify.laundering.quality import quality

CHUNK = 64


@dataclass(frozen=True, slots=True)
class FaceCosts:
    """How far each published face is from its original.

    Attributes:
        psnr: float64 (N,), dB; infinite where a face was left as it is.
        ssim: float64 (N,).
    """

    psnr: Floats
    ssim: Floats

    @classmethod
    def of(cls, candidates: Candidates, adapted: Adapted) -> FaceCosts:
        """Compares the published faces with their originals.

        Args:
            candidates: The originals.
            adapted: The published faces.
        """
        count = len(candidates.faces)
        psnr, ssim = np.full(count, np.inf), np.ones(count)
        changed = np.flatnonzero(adapted.search.winner != ORIGINAL)
        with progress.bar("comparing with the originals", len(changed)) as advance:
            for start in range(0, len(changed), CHUNK):
                rows = changed[start : start + CHUNK]
                pair = candidates.faces.batch(rows), adapted.faces.batch(rows)
                psnr[rows], ssim[rows] = quality(*pair)
                advance(len(rows))
        return cls(psnr, ssim)

    def summary(self) -> Cost:
        """Sums it up over the faces that were changed."""
        changed = np.isfinite(self.psnr)
        if not changed.any():
            return Cost(changed=0, psnr_mean=None, psnr_min=None)
        return Cost(
            changed=int(changed.sum()),
            psnr_mean=float(self.psnr[changed].mean()),
            psnr_min=float(self.psnr[changed].min()),
            ssim_mean=float(self.ssim[changed].mean()),
        )


CLASSES: Final[dict[Class, tuple[int, ...]]] = {"all": (0, 1), "fake": (1,), "real": (0,)}
NOBODY: Final = "there is no such face"


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over some of the faces, over all of these and in every resample.

    Attributes:
        point: Over the faces; NaN if there is none.
        samples: (B,), the same in each resample.
    """

    point: float
    samples: Floats

    @classmethod
    def over(cls, values: ArrayLike, among: Flags, weights: NDArray[np.uint16]) -> Mean:
        """Averages `values` (N,) over the faces `among` (N,), under the weights (B, N)."""
        chosen = np.asarray(values, dtype=np.float64)[among]
        counts = weights[:, among].astype(np.float64)
        totals = counts.sum(axis=1)
        samples = np.full(len(weights), np.nan)
        np.divide(counts @ chosen, totals, out=samples, where=totals > 0)
        return cls(float(chosen.mean()) if len(chosen) else float("nan"), samples)

    def interval(self, confidence: float) -> Estimate:
        """Returns it with its percentile interval."""
        return interval(self.point, self.samples, confidence, NOBODY)

    def minus(self, other: Mean, confidence: float) -> Estimate:
        """Returns this mean minus another, paired by resample."""
        difference = self.point - other.point
        return interval(difference, self.samples - other.samples, confidence, NOBODY)


@dataclass(frozen=True, slots=True)
class Yardstick:
    """How intervals are made: the same resamples for every figure about the same faces.

    Attributes:
        weights: (B, N), how often each face counts in each resample.
        groups: How many groups there are.
        confidence: Share of the resamples inside an interval.
    """

    weights: NDArray[np.uint16]
    groups: int
    confidence: float

    @classmethod
    def of(cls, faces: FaceDataset, *, resamples: int, seed: int, confidence: float) -> Yardstick:
        """Draws the resamples of the faces' groups."""
        drawn = GroupResamples(faces.groups, count=resamples, seed=seed)
        return cls(drawn.weights(), drawn.groups, confidence)

    def mean(self, values: ArrayLike, among: Flags) -> Estimate:
        """Returns the mean of `values` (N,) over the faces `among` (N,)."""
        return Mean.over(values, among, self.weights).interval(self.confidence)


def measure_against(
    target: Target,
    candidates: Candidates,
    adapted: Adapted,
    settings: AdaptiveSettings,
    cost: Cost,
    yardstick: Yardstick,
) -> Against:
    """Returns what the attacker reached against one detector."""
    before, after = _cells(candidates.faces, adapted, yardstick)
    return Against(
        name=target.name,
        fingerprint=target.fingerprint(),
        threshold=adapted.threshold,
        reached=_reached(candidates.faces, adapted, yardstick),
        curve=_curve(adapted, settings, yardstick),
        attacks=_tried(candidates, adapted),
        cost=cost,
        before=before.intervals(yardstick.confidence),
        after=after.intervals(yardstick.confidence),
        change=after.minus(before, yardstick.confidence),
    )


def measure_gain(
    faces: FaceDataset, defended: Adapted, undefended: Adapted, yardstick: Yardstick
) -> DefenseGain:
    """Returns what a defence changes for attackers who adapt to what they face."""
    (_, after), (_, bare) = (_cells(faces, each, yardstick) for each in (defended, undefended))
    return DefenseGain(
        success=_differ(defended, undefended, "succeeded", yardstick),
        queries=_differ(defended, undefended, "queries", yardstick),
        attacked=after.minus(bare, yardstick.confidence),
    )


def _differ(
    one: Adapted, other: Adapted, column: Literal["succeeded", "queries"], yardstick: Yardstick
) -> Estimate:
    """A mean over the faces that can be attacked, one attacker's minus the other's."""
    first, second = (
        Mean.over(getattr(each.search, column), each.search.attackable, yardstick.weights)
        for each in (one, other)
    )
    return first.minus(second, yardstick.confidence)


def _cells(faces: FaceDataset, adapted: Adapted, yardstick: Yardstick) -> tuple[Measured, Measured]:
    """The detector's figures on the originals, and on what the attacker publishes."""
    scores = (
        Scores(faces.labels, logits, adapted.threshold)
        for logits in (adapted.before, adapted.after)
    )
    before, after = (Measured.over(each, yardstick.weights) for each in scores)
    return before, after


def _reached(faces: FaceDataset, adapted: Adapted, yardstick: Yardstick) -> tuple[Reached, ...]:
    found = adapted.search
    rows = []
    for name, labels in CLASSES.items():
        mine = np.isin(faces.labels, labels)
        if not (mine & found.targeted).any():
            continue
        attackable, succeeded = mine & found.attackable, mine & found.succeeded
        rows.append(
            Reached(
                faces=name,
                targets=int((mine & found.targeted).sum()),
                mistaken=int((mine & found.mistaken).sum()),
                succeeded=int(succeeded.sum()),
                success=yardstick.mean(found.succeeded, attackable),
                queries=yardstick.mean(found.queries, attackable),
                queries_to_success=yardstick.mean(found.success_at, succeeded),
            )
        )
    return tuple(rows)


def _curve(
    adapted: Adapted, settings: AdaptiveSettings, yardstick: Yardstick
) -> tuple[CurvePoint, ...]:
    """Success by queries, up to the budget or to where nothing was asked any more."""
    found = adapted.search
    most = min(settings.budget, int(found.queries.max(initial=1)))
    return tuple(
        CurvePoint(
            queries=queries,
            success=yardstick.mean(
                found.succeeded & (found.success_at <= queries), found.attackable
            ),
        )
        for queries in range(1, most + 1)
    )


def _tried(candidates: Candidates, adapted: Adapted) -> tuple[Tried, ...]:
    found = adapted.search
    rows = []
    for number, name in enumerate(candidates.names):
        psnr = candidates.psnr[found.targeted, number]
        changed = psnr[np.isfinite(psnr)]
        won = found.winner == number
        rows.append(
            Tried(
                name=name,
                psnr_mean=float(changed.mean()) if len(changed) else None,
                tried=int(found.tried[:, number].sum()),
                turned=int(found.turned[:, number].sum()),
                published=int(won.sum()),
                published_successes=int((won & found.succeeded).sum()),
            )
        )
    return tuple(rows)
