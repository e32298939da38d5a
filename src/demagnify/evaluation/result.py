"""What an evaluation found, as one JSON document from which every table and picture is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from demagnify.evaluation.metrics import MetricName

SCHEMA_VERSION: Final = 1

CLEAN: Final = "none"
"""The attack that changes nothing; its cells are the clean ones."""

UNDEFENDED: Final = "undefended"
"""The detector alone: action 0 ("leave") for every face, its own threshold."""

AnyRecord = TypeVar("AnyRecord", bound="Record")
Role = Literal["undefended", "baseline", "bound", "learned"]


class Record(BaseModel):
    """Base of everything in the document: frozen, no unknown field, no NaN in the JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(Record):
    """A figure (a fraction, or a difference of fractions) and its confidence interval."""

    value: float | None = Field(description="Over all faces; none if it has no value")
    low: float | None = Field(description="Lower end of the interval")
    high: float | None = Field(description="Upper end of the interval")
    reason: str = Field(default="", description="Why there is no value or no interval")


class AttackEntry(Record):
    """An attack as it was judged."""

    name: str
    seen: bool = Field(description="Whether the defence was trained against it")
    n: int | None = Field(default=None, description="Faces on which quality was measured")
    psnr_mean: float | None = Field(default=None, description="dB, attacked against clean")
    psnr_sd: float | None = None
    ssim_mean: float | None = Field(default=None, description="0 to 1, attacked against clean")
    ssim_sd: float | None = None


class DefenseEntry(Record):
    """A defence as it was judged."""

    name: str
    role: Role = Field(description="undefended, baseline, bound (looks at the labels), or learned")
    note: str = Field(default="", description="One sentence on what it does or how it was chosen")


class SkippedFile(Record):
    """A file that could not be used."""

    name: str
    reason: str


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


class Cell(Record):
    """One defence on the faces of one split under one attack."""

    split: str
    attack: str
    defense: str
    n: int
    groups: int
    threshold: float
    metrics: dict[MetricName, Estimate]


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


class Recovery(Record):
    """What a defence gives back of an attack's damage, and what it costs."""

    split: str
    attack: str
    defense: str
    damage: Estimate = Field(description="Balanced accuracy undefended: clean minus attacked")
    share: Estimate = Field(description="Gain under attack divided by the damage")
    clean_cost: Estimate = Field(description="Balanced accuracy clean: defended minus undefended")
    fpr_change: Estimate = Field(description="FPR under attack: defended minus undefended")


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


class Versions(Record):
    """What software computed it."""

    demagnify: str
    python: str
    packages: dict[str, str]


class Machine(Record):
    """What hardware computed it."""

    processor: str
    cores: int
    memory_gib: float
    device: str
    system: str


class Settings(Record):
    """How the evaluation was made."""

    seed: int = Field(default=0, ge=0, description="Seed of resamples, batches, random actions")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Of the intervals")
    batches: int = Field(default=100, ge=1, description="Random batches of the paper's protocol")
    batch_size: int = Field(default=32, ge=1, description="Faces per batch of that protocol")
    selection_split: str = Field(
        default="val", description="The only split on which anything is chosen"
    )


class Context(Record):
    """What is recorded beside the figures: nothing here is computed by the evaluation."""

    command: str = Field(default="", description="The command line that made it")
    title: str = Field(default="", description="A name for the run")
    seen_attacks: tuple[str, ...] = Field(
        default=(), description="Attacks that the defence was trained against"
    )
    device: str = Field(default="cpu", description="Where the networks ran")
    data: str = Field(default="", description="Where the faces come from, in a sentence")
    skipped: dict[str, tuple[SkippedFile, ...]] = Field(
        default_factory=dict, description="Unusable files per split"
    )
    detector: dict[str, Any] = Field(
        default_factory=dict, description="The detector's card: backbone, training, limits"
    )
    configuration: dict[str, Any] = Field(
        default_factory=dict, description="The resolved configuration of the run"
    )
    attack_quality: tuple[AttackEntry, ...] = Field(
        default=(), description="PSNR and SSIM per attack"
    )
    learner_history: tuple[dict[str, float | None], ...] = Field(
        default=(), description="The defence's learning curve: one row per log point"
    )
    detector_history: tuple[dict[str, float | None], ...] = Field(
        default=(), description="The detector's training: one row per epoch"
    )
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds per stage")
    warnings: tuple[str, ...] = Field(default=(), description="What the reader should know")


class EvaluationResult(Record):
    """Everything an evaluation found; see the fields' own classes."""

    schema_version: Literal[1] = SCHEMA_VERSION
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
