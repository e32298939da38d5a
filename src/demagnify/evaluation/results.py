"""The result of an evaluation: one JSON document from which every table and figure is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.records import AnyRecord, Estimate, Measure, Record, SkippedFile

Familiarity = Literal["clean", "seen", "other-setting", "unseen", "control", "adaptive"]
"""How well the methods know an attack; see `demagnify.evaluation.document.familiarity`."""


class ConditionEntry(Record):
    """A condition of the evaluation: clean faces, or one attack."""

    name: str
    seen: bool = Field(description="Whether a method was trained against it")
    familiarity: Familiarity | None = Field(
        default=None, description="How well the methods know it; set by the evaluation"
    )
    n: int | None = Field(default=None, description="Faces on which quality was measured")
    psnr_mean: Measure = Field(default=None, description="dB, attacked against clean")
    psnr_sd: Measure = None
    ssim_mean: Measure = Field(default=None, description="0 to 1, attacked against clean")
    ssim_sd: Measure = None

    @classmethod
    def of(cls, name: str, psnr: ArrayLike, ssim: ArrayLike) -> ConditionEntry:
        """Returns an attack with the mean and the standard deviation of its quality.

        Args:
            name: The attack's name.
            psnr: (N,) in dB; of images that the attack left unchanged infinite, and left out.
            ssim: (N,), 0 to 1.
        """
        decibels = np.asarray(psnr, dtype=np.float64)
        decibels = decibels[np.isfinite(decibels)]
        similarity = np.asarray(ssim, dtype=np.float64)
        return cls(
            name=name,
            seen=False,
            n=len(similarity),
            psnr_mean=float(decibels.mean()) if len(decibels) else None,
            psnr_sd=float(decibels.std(ddof=1)) if len(decibels) > 1 else None,
            ssim_mean=float(similarity.mean()) if len(similarity) else None,
            ssim_sd=float(similarity.std(ddof=1)) if len(similarity) > 1 else None,
        )


class Versions(Record):
    """The software that computed a result."""

    demagnify: str
    python: str
    packages: dict[str, str]


class Machine(Record):
    """The hardware that computed a result."""

    processor: str
    cores: int
    memory_gib: float
    device: str
    system: str


class Settings(Record):
    """How figures, intervals and baselines are made."""

    seed: int = Field(default=0, ge=0, description="Seed of resamples, batches and random actions.")
    resamples: int = Field(default=1000, ge=20, description="Bootstrap resamples over groups.")
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1.0, description="Confidence of the intervals."
    )
    batches: int = Field(default=100, ge=1, description="Random batches of the paper's protocol.")
    batch_size: int = Field(
        default=32, ge=1, description="Faces per batch of the paper's protocol."
    )
    selection_split: str = Field(
        default="val", description="The only split on which anything is chosen"
    )
    fit_baselines: bool = Field(
        default=True, description="Whether baselines that learn are fitted on that split."
    )


class Context(Record):
    """The record beside the figures: nothing here is computed by the evaluation."""

    command: str = Field(default="", description="The command line that made it")
    title: str = Field(default="", description="A name for the run")
    seen_attacks: tuple[str, ...] = Field(
        default=(), description="Attacks that any of the methods was trained against"
    )
    attacked: Literal["all", "fakes", "reals"] = Field(
        default="all", description="Which faces the attacker attacks; the others stay clean"
    )
    base: str = Field(default="", description="The detector that all methods are compared with")
    training_data: Literal["", "same", "other", "partly"] = Field(
        default="",
        description="Whether the training faces came from the data sets of this evaluation; "
        "empty: not recorded",
    )
    costs: dict[str, float] = Field(
        default_factory=dict,
        description="Time per face of each action, in passes of the base detector",
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
    attack_quality: tuple[ConditionEntry, ...] = Field(
        default=(), description="PSNR and SSIM per attack"
    )
    learner_history: tuple[dict[str, Measure], ...] = Field(
        default=(), description="The defence's learning curve: one row per log point"
    )
    detector_history: tuple[dict[str, Measure], ...] = Field(
        default=(), description="The detector's training: one row per epoch"
    )
    timings: dict[str, float] = Field(default_factory=dict, description="Seconds per stage")
    warnings: tuple[str, ...] = Field(default=(), description="Warnings for the reader")


SCHEMA_VERSION: Final = 1

UNDEFENDED: Final = "undefended"
"""The detector alone: transform 0 ("identity") for every face, its own threshold."""

ADAPTIVE: Final = "adaptive"
"""The condition in which each face is under the attack that hurts the method most."""

Role = Literal["undefended", "detector", "baseline", "control", "bound", "learned"]


class MethodEntry(Record):
    """A method of the evaluation."""

    name: str
    role: Role = Field(
        description="undefended, detector (another one, without an agent), baseline, control "
        "(should gain nothing), bound (looks at the labels), or learned"
    )
    note: str = Field(default="", description="One sentence about it, or how it was chosen")
    detector: str = Field(
        default="", description="Whose logits it uses; empty: the base detector's"
    )
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


class Abstention(Record):
    """Coverage and risk of a method that may abstain; see `demagnify.evaluation.selective`."""

    coverage: float = Field(description="Share of the faces that get a verdict")
    risk: float | None = Field(description="Share of those verdicts that are wrong")
    rejected_risk: float | None = Field(
        description="Share that would have been wrong of the verdicts not given"
    )
    aurc: float | None = Field(default=None, description="Mean risk over all coverages")
    curve: tuple[tuple[float, float], ...] = Field(
        default=(), description="Risk at rising coverage, thinned out for drawing"
    )


class Cell(Record):
    """One method on the faces of one split under one condition."""

    split: str
    condition: str
    method: str
    n: int
    groups: int
    threshold: float
    metrics: dict[MetricName, Estimate]
    passes: float | None = Field(default=None, description="Detector passes per face, on average")
    abstention: Abstention | None = Field(default=None, description="If it may abstain")


class Comparison(Record):
    """A method minus a reference on the same faces, same condition, same resamples."""

    split: str
    condition: str
    method: str
    reference: str
    metrics: dict[MetricName, Estimate] = Field(description="Method minus reference")
    mended: int = Field(description="Faces that only the method classifies right")
    broken: int = Field(description="Faces that only the reference classifies right")
    mcnemar_p: float = Field(description="McNemar's exact test, two-sided, faces independent")
    mcnemar_holm: float | None = Field(
        default=None,
        description="The same after Holm's correction for all comparisons of this method on this "
        "split",
    )


class Recovery(Record):
    """The share of an attack's damage that a method undoes, and its cost."""

    split: str
    condition: str
    method: str
    damage: Estimate = Field(description="Balanced accuracy undefended: clean minus attacked")
    share: Estimate = Field(description="Gain under attack divided by the damage")
    clean_cost: Estimate = Field(description="Balanced accuracy clean: defended minus undefended")
    fpr_change: Estimate = Field(description="FPR under attack: defended minus undefended")
    fpr_over_clean: Estimate | None = Field(
        default=None, description="FPR defended under attack minus undefended on clean faces"
    )


class MeanGain(Record):
    """A method minus a reference in balanced accuracy, averaged over conditions."""

    split: str
    conditions: tuple[str, ...]
    method: str
    reference: str
    gain: Estimate
    net: Estimate | None = Field(
        default=None, description="The gain less the change on clean faces; null: no clean faces"
    )


class ActionCounts(Record):
    """How often a method took each action."""

    split: str
    condition: str
    method: str
    real: tuple[int, ...] = Field(description="On real faces, per action")
    fake: tuple[int, ...] = Field(description="On fake faces, per action")
    actions: tuple[str, ...] = Field(
        default=(), description="Their names, where they are not those of the document"
    )


class RocCurve(Record):
    """A ROC curve, thinned out for drawing."""

    split: str
    condition: str
    method: str
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


class BatchFigures(Record):
    """The paper's protocol: random batches of one split."""

    split: str
    condition: str
    method: str
    batches: int
    batch_size: int
    mean: dict[MetricName, float | None] = Field(description="Mean over the batches")
    pooled: dict[MetricName, float | None] = Field(description="Over all drawn faces at once")


class EvaluationResult(Record):
    """Every figure of an evaluation; see the fields' own classes."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["evaluation"] = "evaluation"
    created: str = Field(description="When, ISO 8601 in UTC")
    settings: Settings
    context: Context
    versions: Versions
    machine: Machine
    actions: tuple[str, ...]
    best_fixed: str = Field(
        description="Of the methods that always take one action, the best on validation"
    )
    retuned: str = Field(description="The method that only moves the threshold")
    best_baseline: str = Field(
        default="",
        description="Of everything that is neither learned nor one fixed action, the best on "
        "validation faces that it was not fitted to; empty if nothing was compared",
    )
    splits: tuple[SplitEntry, ...]
    conditions: tuple[ConditionEntry, ...]
    methods: tuple[MethodEntry, ...]
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]
    recoveries: tuple[Recovery, ...]
    mean_gains: tuple[MeanGain, ...]
    action_counts: tuple[ActionCounts, ...]
    roc_curves: tuple[RocCurve, ...]
    batch_figures: tuple[BatchFigures, ...]
    predictions_sha256: str = Field(default="", description="Of predictions.csv, once written")
    warnings: tuple[str, ...] = ()

    def cell(self, split: str, condition: str, method: str) -> Cell:
        """Returns one cell of the grid; KeyError if it was not evaluated."""
        return _find(self.cells, split=split, condition=condition, method=method)

    def figures(self) -> dict[str, float | None]:
        """Returns every figure by name: "test/none/default/auc"."""
        return {
            f"{cell.split}/{cell.condition}/{cell.method}/{name}": found.value
            for cell in self.cells
            for name, found in cell.metrics.items()
        }

    def comparison(self, split: str, condition: str, method: str, reference: str) -> Comparison:
        """Returns a method minus a reference; KeyError if they were not compared."""
        return _find(
            self.comparisons, split=split, condition=condition, method=method, reference=reference
        )

    def recovery(self, split: str, condition: str, method: str) -> Recovery:
        """Returns a method's recovery; KeyError if it was not evaluated."""
        return _find(self.recoveries, split=split, condition=condition, method=method)

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Returns the names of the methods of `role`, in order."""
        return tuple(method.name for method in self.methods if method.role == role)

    def split_entry(self, name: str) -> SplitEntry:
        """Returns the description of one split; KeyError if there is none."""
        return _find(self.splits, name=name)


def _find(records: Sequence[AnyRecord], **keys: str) -> AnyRecord:
    for record in records:
        if all(getattr(record, key) == value for key, value in keys.items()):
            return record
    raise KeyError(", ".join(keys.values()))
