"""The result of an adaptive attack: one JSON document, and the same in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from demagnify.evaluation.adaptive.search import AdaptiveSettings
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.report.words import (
    NOTHING,
    listed,
    point_span,
    with_point_span,
    with_span,
)
from demagnify.evaluation.results import Estimate, Measure, Record, SkippedFile, load_record

SCHEMA_VERSION: Final = 1
RESULT: Final = "adaptive.json"

Class = Literal["all", "fake", "real"]


class Reached(Record):
    """How often the attacker succeeded on the faces of a class."""

    faces: Class
    targets: int = Field(description="Faces that were to be attacked")
    mistaken: int = Field(description="Targets misjudged without an attack, left as they are")
    succeeded: int = Field(description="Targets whose verdict was right and is wrong now")
    success: Estimate = Field(description="Share of the targets that were judged right")
    queries: Estimate = Field(description="Mean per target that was judged right")
    queries_to_success: Estimate = Field(description="Mean up to the first success, where one is")


class CurvePoint(Record):
    """What the attacker had reached after some queries per face."""

    queries: int = Field(description="Per face, that about the original included")
    success: Estimate = Field(description="Share of the targets that were judged right")


class Tried(Record):
    """One of the attacks to choose from."""

    name: str
    psnr_mean: Measure = Field(description="dB, over all targets that it changes")
    tried: int = Field(description="Faces on which the detector was asked about it")
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
        """Returns what was reached on one class; KeyError if none of it was a target."""
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
    """Everything an adaptive attack found; see the fields' own classes."""

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
    settings: AdaptiveSettings
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


NAMED: Final = 4
"""How many attacks are named at most."""

NAMES: Final = {"all": "faces", "fake": "fakes", "real": "real faces"}


def tell(result: AdaptiveResult) -> list[str]:
    """Returns what happened, a few lines for a person."""
    lines = [
        f"{result.real} real and {result.fake} fake faces in {result.groups} groups, split "
        f"{result.split} of {result.data}, {result.size}x{result.size} pixels",
        *_against(result.target),
    ]
    if result.undefended is not None and result.gain is not None:
        gain = result.gain
        lines += [
            *_against(result.undefended),
            "the defence changes the attacker's success by "
            f"{with_point_span(gain.success)} points, and balanced accuracy under attack by "
            f"{with_point_span(gain.attacked['balanced_accuracy'])}",
        ]
    return lines


def _against(against: Against) -> Iterator[str]:
    yield f"against {against.name}:"
    for reached in against.reached:
        yield f"  {_reached(reached)}"
    before, after = (side["balanced_accuracy"] for side in (against.before, against.after))
    change = point_span(against.change["balanced_accuracy"])
    yield (
        f"  balanced accuracy {with_span(before)} % before, {with_span(after)} % after"
        + (f"; change {change} points" if change else "")
    )
    cost = against.cost
    if cost.psnr_mean is not None:
        yield (
            f"  {cost.changed} faces changed: PSNR {cost.psnr_mean:.2f} dB, SSIM "
            f"{cost.ssim_mean:.4f} against the originals"
        )
    best = sorted(against.attacks, key=lambda tried: -tried.published_successes)[:NAMED]
    won = [f"{one.name} {one.published_successes}" for one in best if one.published_successes]
    if won:
        yield f"  which attack turned verdicts: {listed(won)}"


def _reached(reached: Reached) -> str:
    attackable = reached.targets - reached.mistaken
    queries = reached.queries.value
    return (
        f"{NAMES[reached.faces]}: {reached.succeeded} of {attackable} verdicts turned, "
        f"{with_span(reached.success)} %, with "
        f"{NOTHING if queries is None else f'{queries:.1f}'} queries each"
        f"; {reached.mistaken} were misjudged already"
    )
