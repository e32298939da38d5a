"""What an evaluation found, as one JSON document from which every table and picture is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeVar

from pydantic import Field

from demagnify.evaluation.context import (
    AttackEntry,
    Context,
    Machine,
    Record,
    Settings,
    SkippedFile,
    Versions,
)
from demagnify.evaluation.metrics import MetricName

SCHEMA_VERSION: Final = 2
"""2 added rivals that learn, several detectors and seeds, the adaptive attacker, what is withheld.

Documents of version 1 are still read: what they lack stays empty.
"""

UNDEFENDED: Final = "undefended"
"""The detector alone: action 0 ("leave") for every face, its own threshold."""

ADAPTIVE: Final = "adaptive"
"""The attacker who takes, for each face and each defence, the attack that hurts most."""

AnyRecord = TypeVar("AnyRecord", bound=Record)
Role = Literal["undefended", "detector", "baseline", "control", "bound", "learned"]


class Estimate(Record):
    """A figure (a fraction, or a difference of fractions) and its confidence interval."""

    value: float | None = Field(description="Over all faces; none if it has no value")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    reason: str = Field(default="", description="Why there is no value or no interval")


class DefenseEntry(Record):
    """A defence as it was judged."""

    name: str
    role: Role = Field(
        description="undefended, detector (another one, without an agent), baseline, control "
        "(should gain nothing), bound (looks at the labels), or learned"
    )
    note: str = Field(default="", description="One sentence on what it does or how it was chosen")
    detector: str = Field(default="", description="Whose answers it uses; empty: the base's")
    fitted: bool = Field(default=False, description="Whether it learned from the selection split")
    seeds: int = Field(default=1, description="How many trainings the figures are the mean of")


class SplitEntry(Record):
    """The faces of one split."""

    name: str
    real: int
    fake: int
    groups: int
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def n(self) -> int:
        """How many faces there are."""
        return self.real + self.fake


class Withheld(Record):
    """Verdicts of a defence that may say "unsure"; see `demagnify.evaluation.selective`."""

    coverage: float = Field(description="Share of the faces that get a verdict")
    risk: float | None = Field(description="Share of those verdicts that are wrong")
    withheld_risk: float | None = Field(description="Of the withheld ones, were they given")
    aurc: float | None = Field(default=None, description="Mean risk over all coverages")
    curve: tuple[tuple[float, float], ...] = Field(
        default=(), description="Risk at rising coverage, thinned out for drawing"
    )


class Cell(Record):
    """One defence on the faces of one split under one attack."""

    split: str
    attack: str
    defense: str
    n: int
    groups: int
    threshold: float
    metrics: dict[MetricName, Estimate]
    passes: float | None = Field(default=None, description="Detector passes per face, on average")
    withheld: Withheld | None = Field(default=None, description="If it may say unsure")


class Comparison(Record):
    """A defence minus a reference on the same faces, same attack, same resamples."""

    split: str
    attack: str
    defense: str
    reference: str
    metrics: dict[MetricName, Estimate] = Field(description="Defence minus reference")
    mended: int = Field(description="Faces that only the defence judges right")
    broken: int = Field(description="Faces that only the reference judges right")
    mcnemar_p: float = Field(description="McNemar's exact test, two-sided, faces independent")
    mcnemar_holm: float | None = Field(
        default=None,
        description="The same after Holm's correction for all comparisons of this defence on this "
        "split",
    )


class Recovery(Record):
    """What a defence gives back of an attack's damage, and what it costs."""

    split: str
    attack: str
    defense: str
    damage: Estimate = Field(description="Balanced accuracy undefended: clean minus attacked")
    share: Estimate = Field(description="Gain under attack divided by the damage")
    clean_cost: Estimate = Field(description="Balanced accuracy clean: defended minus undefended")
    fpr_change: Estimate = Field(description="FPR under attack: defended minus undefended")
    fpr_over_clean: Estimate | None = Field(
        default=None, description="FPR defended under attack minus undefended on clean faces"
    )


class MeanGain(Record):
    """A defence minus a reference in balanced accuracy, averaged over attacks."""

    split: str
    attacks: tuple[str, ...]
    defense: str
    reference: str
    gain: Estimate


class ActionCounts(Record):
    """How often a defence took each action."""

    split: str
    attack: str
    defense: str
    real: tuple[int, ...] = Field(description="On real faces, per action")
    fake: tuple[int, ...] = Field(description="On fake faces, per action")
    actions: tuple[str, ...] = Field(
        default=(), description="Their names, where they are not those of the document"
    )


class RocCurve(Record):
    """A ROC curve, thinned out for drawing."""

    split: str
    attack: str
    defense: str
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


class BatchFigures(Record):
    """The paper's protocol: random batches of one split."""

    split: str
    attack: str
    defense: str
    batches: int
    batch_size: int
    mean: dict[MetricName, float | None] = Field(description="Mean over the batches")
    pooled: dict[MetricName, float | None] = Field(description="Over all drawn faces at once")


class EvaluationResult(Record):
    """Everything an evaluation found; see the fields' own classes."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    kind: Literal["evaluation"] = "evaluation"
    created: str = Field(description="When, ISO 8601 in UTC")
    settings: Settings
    context: Context
    versions: Versions
    machine: Machine
    actions: tuple[str, ...]
    best_fixed: str = Field(
        description="Of the defences that take one action always, the best on validation"
    )
    retuned: str = Field(description="The defence that only moves the threshold")
    best_rival: str = Field(
        default="",
        description="Of everything that is neither learned nor one fixed action, the best on "
        "validation faces that it was not fitted to; empty if nothing was compared",
    )
    splits: tuple[SplitEntry, ...]
    attacks: tuple[AttackEntry, ...]
    defenses: tuple[DefenseEntry, ...]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    recoveries: tuple[Recovery, ...]
    mean_gains: tuple[MeanGain, ...]
    action_counts: tuple[ActionCounts, ...]
    roc_curves: tuple[RocCurve, ...]
    batch_figures: tuple[BatchFigures, ...]
    warnings: tuple[str, ...] = ()

    def cell(self, split: str, attack: str, defense: str) -> Cell:
        """Returns one cell of the grid; KeyError if it was not judged."""
        return _find(self.cells, split=split, attack=attack, defense=defense)

    def comparison(self, split: str, attack: str, defense: str, reference: str) -> Comparison:
        """Returns a defence minus a reference; KeyError if they were not compared."""
        return _find(
            self.comparisons, split=split, attack=attack, defense=defense, reference=reference
        )

    def recovery(self, split: str, attack: str, defense: str) -> Recovery:
        """Returns what a defence recovers; KeyError if it was not judged."""
        return _find(self.recoveries, split=split, attack=attack, defense=defense)

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Returns the names of the defences that play `role`, in order."""
        return tuple(defense.name for defense in self.defenses if defense.role == role)

    def split_entry(self, name: str) -> SplitEntry:
        """Returns the description of one split; KeyError if there is none."""
        return _find(self.splits, name=name)


def _find(records: Sequence[AnyRecord], **keys: str) -> AnyRecord:
    for record in records:
        if all(getattr(record, key) == value for key, value in keys.items()):
            return record
    raise KeyError(", ".join(keys.values()))
