"""The result of an adaptive attack: one JSON document, and the figures in it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from demagnify.evaluation.adaptive.attack import Adapted, Candidates, Target
from demagnify.evaluation.adaptive.search import SearchConfig
from demagnify.evaluation.bootstrap import (
    NO_FACE,
    Measured,
    group_estimate,
    group_mean,
    interval,
)
from demagnify.evaluation.metrics import MetricName, Scores
from demagnify.evaluation.records import Estimate, Measure, Record, SkippedFile, load_record

SCHEMA_VERSION: Final = 1
RESULT: Final = "adaptive.json"
CONFIDENCE: Final = 0.95

Class = Literal["all", "fake", "real"]


class Reached(Record):
    """How often the attacker succeeded on the faces of a class."""

    faces: Class
    targets: int = Field(description="Faces to attack")
    mistaken: int = Field(description="Targets misclassified without an attack, unchanged")
    succeeded: int = Field(description="Targets whose verdict was right and is wrong now")
    success: Estimate = Field(description="Share of the targets that were classified right")
    queries: Estimate = Field(description="Mean per target that was classified right")
    queries_to_success: Estimate = Field(description="Mean up to the first success, where one is")


class CurvePoint(Record):
    """The success after some queries per face."""

    queries: int = Field(description="Per face, that of the original included")
    success: Estimate = Field(description="Share of the targets that were classified right")


class Tried(Record):
    """One of the attacks to choose from."""

    name: str
    psnr_mean: Measure = Field(description="dB, over all targets that it changes")
    tried: int = Field(description="Faces on which it was tried")
    turned: int = Field(description="Of these, how often the verdict turned wrong")
    published: int = Field(description="Faces for which it was the best")
    published_successes: int = Field(description="Of these, how many turned the verdict")


class Cost(Record):
    """How far published faces are from their originals, over those that were changed."""

    changed: int
    psnr_mean: Measure = Field(description="dB")
    psnr_min: Measure = Field(description="dB")
    ssim_mean: Measure = None


class Against(Record):
    """The attacker against one detector."""

    name: str
    fingerprint: str = Field(description="Of the detector, defended or not")
    threshold: float
    reached: tuple[Reached, ...] = Field(description="Over all targets, then by class")
    curve: tuple[CurvePoint, ...]
    attacks: tuple[Tried, ...]
    cost: Cost
    before: dict[MetricName, Estimate] = Field(description="All faces, without an attack")
    after: dict[MetricName, Estimate] = Field(description="All faces, as published")
    change: dict[MetricName, Estimate] = Field(description="After minus before, paired")

    def of_class(self, faces: Class) -> Reached:
        """Returns the success on one class; KeyError if none of it was a target."""
        for reached in self.reached:
            if reached.faces == faces:
                return reached
        raise KeyError(faces)


class DefenseGain(Record):
    """The defended detector minus the bare one, each against an attacker of its own."""

    success: Estimate = Field(description="Difference of the success rates")
    queries: Estimate = Field(description="Difference of the mean queries per target")
    attacked: dict[MetricName, Estimate] = Field(description="Difference under attack")


class AdaptiveResult(Record):
    """Every figure of an adaptive attack; see the fields' own classes."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["adaptive"] = "adaptive"
    command: str = Field(default="", description="The command line that made it")
    data: str
    split: str
    size: int = Field(description="Side of the faces in pixels")
    real: int
    fake: int
    groups: int
    skipped: tuple[SkippedFile, ...] = ()
    settings: SearchConfig
    resamples: int = Field(description="Bootstrap resamples over groups")
    confidence: float = Field(description="Of the intervals")
    seed: int
    target: Against
    undefended: Against | None = Field(
        default=None, description="The same attacker against the detector inside the defence"
    )
    gain: DefenseGain | None = Field(default=None, description="Where the target is a defence")


def load_adaptive(folder: Path) -> AdaptiveResult:
    """Reads adaptive.json from the folder of an adaptive attack.

    Raises:
        BadArtifactError: If it is missing, damaged, of another version, or something else.
    """
    return load_record(folder / RESULT, AdaptiveResult, "an adaptive attack")


_CLASSES: Final[dict[Class, tuple[int, ...]]] = {"all": (0, 1), "fake": (1,), "real": (0,)}

Weights = NDArray[np.uint16]


def measure_against(
    target: Target,
    candidates: Candidates,
    adapted: Adapted,
    cost: Cost,
    weights: Weights,
) -> Against:
    """Returns the figures of an attack on one target; `weights` are the resamples, (B, N)."""
    before, after = _measured(adapted, weights)
    return Against(
        name=target.name,
        fingerprint=target.fingerprint(),
        threshold=adapted.threshold,
        reached=_reached(adapted, weights),
        curve=_curve(adapted, weights),
        attacks=_tried(candidates, adapted),
        cost=cost,
        before=before.intervals(CONFIDENCE),
        after=after.intervals(CONFIDENCE),
        change=after.minus(before, CONFIDENCE),
    )


def measure_gain(defended: Adapted, undefended: Adapted, weights: Weights) -> DefenseGain:
    """Returns the effect of a defence, each side against an attacker who adapts to it."""
    (_, after), (_, bare) = (_measured(each, weights) for each in (defended, undefended))

    def difference(column: Literal["succeeded", "queries"]) -> Estimate:
        (one, samples), (other, others) = (
            group_mean(getattr(each.search, column), each.search.attackable, weights)
            for each in (defended, undefended)
        )
        return interval(one - other, samples - others, CONFIDENCE, NO_FACE)

    return DefenseGain(
        success=difference("succeeded"),
        queries=difference("queries"),
        attacked=after.minus(bare, CONFIDENCE),
    )


def _measured(adapted: Adapted, weights: Weights) -> tuple[Measured, Measured]:
    """The detector's figures on the originals, and on the published faces."""
    before, after = (
        Measured.over(Scores(adapted.faces.labels, logits, adapted.threshold), weights)
        for logits in (adapted.before, adapted.after)
    )
    return before, after


def _reached(adapted: Adapted, weights: Weights) -> tuple[Reached, ...]:
    found = adapted.search
    rows = []
    for name, labels in _CLASSES.items():
        mine = np.isin(adapted.faces.labels, labels)
        if not (mine & found.targeted).any():
            continue
        attackable, succeeded = mine & found.attackable, mine & found.succeeded
        success, queries, first = (
            group_estimate(values, among, weights, CONFIDENCE)
            for values, among in (
                (found.succeeded, attackable),
                (found.queries, attackable),
                (found.success_at, succeeded),
            )
        )
        rows.append(
            Reached(
                faces=name,
                targets=int((mine & found.targeted).sum()),
                mistaken=int((mine & found.mistaken).sum()),
                succeeded=int(succeeded.sum()),
                success=success,
                queries=queries,
                queries_to_success=first,
            )
        )
    return tuple(rows)


def _curve(adapted: Adapted, weights: Weights) -> tuple[CurvePoint, ...]:
    """Success by queries, up to the most that any face took."""
    found = adapted.search
    points = []
    for queries in range(1, int(found.queries.max(initial=1)) + 1):
        turned = found.succeeded & (found.success_at <= queries)
        success = group_estimate(turned, found.attackable, weights, CONFIDENCE)
        points.append(CurvePoint(queries=queries, success=success))
    return tuple(points)


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
