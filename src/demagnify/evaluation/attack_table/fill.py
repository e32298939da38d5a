"""Filling the attack table; what was computed once is kept, so that it can go on and grow."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core import progress
from demagnify.core.errors import AssetError, BadConfigError, ImageContractError
from demagnify.data import FaceDataset, Manifest
from demagnify.data.prepare import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.adaptive import (
    Adapted,
    AdaptiveSettings,
    Answers,
    Candidates,
    Target,
    adapt,
)
from demagnify.evaluation.adaptive.attack import answers_of
from demagnify.evaluation.adaptive.measure import Yardstick
from demagnify.evaluation.attack_table.clock import Clock
from demagnify.evaluation.attack_table.kept import kept_quality
from demagnify.evaluation.attack_table.result import (
    ADAPTIVE,
    AdaptiveFigures,
    AttackTable,
    LeftOut,
    TableCell,
    TableData,
    TableDetector,
)
from demagnify.evaluation.metrics import Scores
from demagnify.evaluation.statistics import Measured
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.conditions import CLEAN
from demagnify.transforms.base import Transform

CONFIDENCE: Final = 0.95
CHAINS: Final = "chains"
CHUNK: Final = 64
Floats = NDArray[np.float64]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set of the table: its name there, its manifest, and the side of its faces."""

    name: str
    source: Path
    size: int = 224


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What the table shall hold.

    Attributes:
        data: The data sets.
        detectors: Name in the table -> detector, or defended detector.
        attacks: The rows, beside the clean one and the adaptive one.
        precisions: Name of an attack -> in what its network computes, for the reader.
        settings: Of the adaptive attacker, whose choice is among `attacks`.
        split: Which split of the data.
        limit: At most so many faces per data set, drawn by group; None takes all.
        resamples: Bootstrap resamples over groups.
        seed: Of the resamples and of the faces.
        command: The command line that made it.
        strict: Whether a bad file, or an attack that cannot be carried out, stops the work.
    """

    data: Sequence[DataSet]
    detectors: Mapping[str, Target]
    attacks: Sequence[Transform]
    precisions: Mapping[str, str] = field(default_factory=dict)
    settings: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    split: str = "test"
    limit: int | None = None
    resamples: int = 1000
    seed: int = 0
    command: str = ""
    strict: bool = False


def fill_table(
    plan: TablePlan,
    *,
    cache: Path,
    kept: Path,
    tell: Callable[[str], None] = lambda _line: None,
) -> Iterator[AttackTable]:
    """Fills the table row by row and yields it after each, so that it can be written and read.

    Args:
        plan: What the table shall hold.
        cache: Where attacked faces are kept.
        kept: Where the detectors' answers and image quality are kept.
        tell: Gets a line about every step: what it is, and how long the rest may take.

    Raises:
        BadConfigError: If there is no data set, detector or attack.
        BadManifestError: If a data set cannot be used.
    """
    if not (plan.data and plan.detectors and plan.attacks):
        raise BadConfigError("a table needs data, detectors and attacks")
    clock = Clock(len(plan.data) * (len(plan.attacks) + 2), tell)
    table = _Table(plan)
    for data in plan.data:
        clock.step(f"{data.name}: clean")
        part = _Part(plan, data, cache=cache, kept=kept)
        table.data.append(part.describe())
        table.cells += part.row(CLEAN)
        yield table.so_far()
        for attack in plan.attacks:
            clock.step(f"{data.name}: {attack.name}")
            try:
                part.add(attack)
            except (AssetError, ImageContractError) as error:
                if plan.strict:
                    raise
                reason = LeftOut(data=data.name, attack=attack.name, reason=str(error))
                table.left_out.append(reason)
                tell(f"left out: {error}")
                continue
            table.cells += part.row(attack.name)
            yield table.so_far()
        clock.step(f"{data.name}: {ADAPTIVE}")
        if part.added:
            table.cells += part.adaptive_row()
            yield table.so_far()


def family(name: str) -> str:
    """Returns what attacks of one kind share: "srgan" for srgan-x4 and srgan-x4@k2."""
    return CHAINS if "+" in name else re.sub(r"(-x?\d+(plus)?)?(@.*)?$", "", name)


class _Table:
    """The table while it grows."""

    def __init__(self, plan: TablePlan) -> None:
        self._plan = plan
        self._detectors = tuple(
            TableDetector(name=name, threshold=one.threshold, fingerprint=one.fingerprint())
            for name, one in plan.detectors.items()
        )
        self.data: list[TableData] = []
        self.cells: list[TableCell] = []
        self.left_out: list[LeftOut] = []

    def so_far(self) -> AttackTable:
        plan = self._plan
        return AttackTable(
            command=plan.command,
            seed=plan.seed,
            limit=plan.limit,
            resamples=plan.resamples,
            confidence=CONFIDENCE,
            settings=plan.settings,
            data=tuple(self.data),
            detectors=self._detectors,
            cells=tuple(self.cells),
            left_out=tuple(self.left_out),
        )


class _Part:
    """One data set of the table."""

    def __init__(self, plan: TablePlan, data: DataSet, *, cache: Path, kept: Path) -> None:
        self._plan, self._data, self._cache, self._kept = plan, data, cache, kept
        manifest = Manifest.load(data.source, strict=plan.strict)
        chosen = subsample(manifest.split(plan.split), plan.limit, seed=plan.seed)
        self._faces = open_faces(chosen, size=data.size, strict=plan.strict)
        self._skipped = len(manifest.skipped) + len(self._faces.skipped)
        self._yardstick = Yardstick.of(
            self._faces, resamples=plan.resamples, seed=plan.seed, confidence=CONFIDENCE
        )
        self._answers = {name: self._known(one) for name, one in plan.detectors.items()}
        self._columns: dict[str, tuple[str, FaceDataset]] = {CLEAN: (CLEAN, self._faces)}
        unchanged = np.full(len(self._faces), np.inf), np.ones(len(self._faces))
        self._quality: dict[str, tuple[Floats, Floats]] = {CLEAN: unchanged}
        self._clean: dict[str, Measured] = {}
        self.added: list[Transform] = []

    def describe(self) -> TableData:
        fake = int(self._faces.labels.sum())
        return TableData(
            name=self._data.name,
            split=self._plan.split,
            size=self._faces.size,
            real=len(self._faces) - fake,
            fake=fake,
            groups=self._yardstick.groups,
            skipped=self._skipped,
            fingerprint=self._faces.fingerprint(),
        )

    def add(self, attack: Transform) -> None:
        """Attacks the faces and compares them with the originals."""
        attacked = attacked_faces(self._faces, attack, cache=self._cache, in_memory=False)
        fingerprint = attack.fingerprint()
        folder = self._kept / "quality"
        self._quality[attack.name] = kept_quality(self._faces, attacked, fingerprint, folder=folder)
        self._columns[attack.name] = (fingerprint, attacked)
        self.added.append(attack)

    def row(self, attack: str) -> list[TableCell]:
        """Asks every detector about the faces under an attack that was added."""
        column = {0: self._columns[attack]}
        logits = np.empty(len(self._faces), dtype=np.float32)
        cells = []
        for name, answers in self._answers.items():
            with progress.bar(f"asking {name}", len(logits)) as advance:
                for start in range(0, len(logits), CHUNK):
                    rows = np.arange(start, min(start + CHUNK, len(logits)))
                    logits[rows] = answers.ask(column, rows, np.zeros_like(rows))
                    advance(len(rows))
            answers.save()
            cells.append(self._cell(attack, name, logits, *self._quality[attack]))
        return cells

    def adaptive_row(self) -> list[TableCell]:
        """Lets an attacker choose among all attacks that were added, per face and detector."""
        candidates = Candidates(self._faces, self.added, cache=self._cache)
        cells = []
        for name, answers in self._answers.items():
            adapted = adapt(
                candidates,
                answers,
                threshold=self._plan.detectors[name].threshold,
                settings=self._plan.settings,
                name=name,
            )
            quality = self._published_quality(candidates, adapted)
            cell = self._cell(ADAPTIVE, name, adapted.after, *quality)
            figures = self._adaptive_figures(candidates, adapted)
            cells.append(cell.model_copy(update={"adaptive": figures}))
        return cells

    def _known(self, target: Target) -> Answers:
        identity = f"{target.fingerprint()}\n{self._faces.fingerprint()}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return answers_of(target, self._faces, self._kept / "answers" / f"{key}.safetensors")

    def _cell(
        self, attack: str, detector: str, logits: Logits, psnr: Floats, ssim: Floats
    ) -> TableCell:
        threshold = float(np.float32(self._plan.detectors[detector].threshold))
        scores = Scores(self._faces.labels, logits, threshold)
        measured = Measured.over(scores, self._yardstick.weights)
        clean = self._clean.setdefault(detector, measured)  # the clean row comes first
        changed = psnr[np.isfinite(psnr)]
        return TableCell(
            data=self._data.name,
            detector=detector,
            attack=attack,
            family=family(attack),
            precision=self._plan.precisions.get(attack, ""),
            psnr_mean=float(changed.mean()) if len(changed) else None,
            ssim_mean=float(ssim.mean()),
            metrics=measured.intervals(CONFIDENCE),
            change=measured.minus(clean, CONFIDENCE),
        )

    def _published_quality(self, candidates: Candidates, adapted: Adapted) -> tuple[Floats, Floats]:
        names = [*candidates.names, CLEAN]  # the original is number -1
        chosen = adapted.search.winner, np.arange(len(self._faces))
        psnr, ssim = (
            np.stack([self._quality[name][which] for name in names])[chosen] for which in (0, 1)
        )
        return psnr, ssim

    def _adaptive_figures(self, candidates: Candidates, adapted: Adapted) -> AdaptiveFigures:
        found = adapted.search
        names = [*candidates.names, CLEAN]  # the original is number -1
        counts = np.bincount(found.winner % len(names), minlength=len(names)).tolist()
        return AdaptiveFigures(
            success=self._yardstick.mean(found.succeeded, found.attackable),
            queries=self._yardstick.mean(found.queries, found.attackable),
            published=dict(zip(names, counts, strict=True)),
        )
