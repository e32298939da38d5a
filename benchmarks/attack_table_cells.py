"""The attack table: every detector on every data set, clean, under each attack, and adaptive.

What was computed once is kept: a table that was stopped continues, and one that grows computes only
what is new.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from demagnify.core import artifacts
from demagnify.core.errors import AssetError, BadConfigError, ImageContractError
from demagnify.core.runs import claim
from demagnify.data import Manifest
from demagnify.data.prepare import open_faces
from demagnify.data.subsample import subsample
from demagnify.evaluation.adaptive import Candidates, SearchConfig, Target
from demagnify.evaluation.adaptive.search import search
from demagnify.evaluation.bootstrap import GroupResamples, Measured, group_estimate
from demagnify.evaluation.metrics import MetricName, Scores
from demagnify.evaluation.records import Estimate, Measure, Record
from demagnify.evaluation.results import ADAPTIVE
from demagnify.laundering.attacked_faces import attacked_faces
from demagnify.laundering.config import CLEAN
from demagnify.laundering.quality import quality_of_faces
from demagnify.scores import Column, LogitTable
from demagnify.transforms.base import Transform

CONFIDENCE: Final = 0.95

Floats = NDArray[np.float64]
Quality = tuple[Floats, Floats]


class TableData(Record):
    """A data set of the table."""

    name: str
    split: str
    size: int = Field(description="Side of the faces in pixels, at which they are attacked")
    real: int
    fake: int
    groups: int
    skipped: int = Field(description="Files and lines that could not be used")
    fingerprint: str = Field(description="Of the faces' pixels")


class TableDetector(Record):
    """A detector of the table."""

    name: str
    threshold: float
    fingerprint: str


class LeftOut(Record):
    """An attack that could not be carried out on a data set."""

    data: str
    attack: str
    reason: str


class AdaptiveFigures(Record):
    """The figures of the adaptive attacker alone."""

    success: Estimate = Field(description="Share of rightly classified faces whose verdict turned")
    queries: Estimate = Field(description="Mean queries per rightly classified face")
    published: dict[str, int] = Field(description="For how many faces each attack was the best")


class TableCell(Record):
    """One detector on one data set under one attack."""

    data: str
    detector: str
    attack: str
    family: str
    precision: str = Field(description="Precision of the attack's network; empty without one")
    psnr_mean: Measure = Field(description="dB, over the faces that the attack changes")
    ssim_mean: Measure
    metrics: dict[MetricName, Estimate]
    change: dict[MetricName, Estimate] = Field(description="Minus the clean cell, paired by face")
    adaptive: AdaptiveFigures | None = None


class AttackTable(Record):
    """Every figure of the table; see the fields' own classes."""

    schema_version: Literal[1] = 1
    kind: Literal["attack-table"] = "attack-table"
    command: str = ""
    seed: int
    subsample: int | None = Field(description="At most so many faces per data set, by group")
    resamples: int = Field(description="Bootstrap resamples over groups")
    confidence: float
    search: SearchConfig = Field(description="Of the adaptive attacker")
    data: tuple[TableData, ...]
    detectors: tuple[TableDetector, ...]
    cells: tuple[TableCell, ...]
    left_out: tuple[LeftOut, ...] = ()

    def rows(self, data: str, detector: str) -> tuple[TableCell, ...]:
        """Returns the cells of one detector on one data set, the clean one first."""
        return tuple(c for c in self.cells if c.data == data and c.detector == detector)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set of the table: its name there, its manifest, and the side of its faces."""

    name: str
    source: Path
    size: int = 224


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """The rows and columns of the table.

    Attributes:
        data: The data sets.
        detectors: Name in the table -> detector, or defended detector.
        attacks: The rows, beside the clean one and the adaptive one.
        precisions: Name of an attack -> the precision of its network, for the reader.
        search: Of the adaptive attacker, whose choice is among `attacks`.
        split: Which split of the data.
        subsample: At most so many faces per data set, drawn by group; None takes all.
        resamples: Bootstrap resamples over groups.
        seed: Of the resamples and of the faces.
        command: The command line that made it.
        strict: Whether a bad file, or an attack that cannot be carried out, stops the work.
    """

    data: Sequence[DataSet]
    detectors: Mapping[str, Target]
    attacks: Sequence[Transform]
    precisions: Mapping[str, str] = field(default_factory=dict)
    search: SearchConfig = field(default_factory=SearchConfig)
    split: str = "test"
    subsample: int | None = None
    resamples: int = 1000
    seed: int = 0
    command: str = ""
    strict: bool = False


def fill_table(
    plan: TablePlan,
    *,
    cache: Path,
    kept: Path,
    log: Callable[[str], None] = lambda _line: None,
) -> Iterator[AttackTable]:
    """Fills the table row by row and yields it after each, so that it can be written and read.

    Args:
        plan: The rows and columns.
        cache: Where attacked faces are cached.
        kept: Where logits and image quality are kept.
        log: Gets a line about every step and the time that the rest may take.

    Raises:
        BadConfigError: If there is no data set, detector or attack.
        BadManifestError: If a data set cannot be used.
        BadOutputError: If `kept` holds something else, or another run writes to it.
    """
    if not (plan.data and plan.detectors and plan.attacks):
        raise BadConfigError("a table needs data, detectors and attacks")
    step = _steps(len(plan.data) * (len(plan.attacks) + 2), log)
    table = AttackTable(
        command=plan.command,
        seed=plan.seed,
        subsample=plan.subsample,
        resamples=plan.resamples,
        confidence=CONFIDENCE,
        search=plan.search,
        data=(),
        detectors=tuple(
            TableDetector(name=name, threshold=one.threshold, fingerprint=one.fingerprint())
            for name, one in plan.detectors.items()
        ),
        cells=(),
    )

    def grown(**more: tuple[Record, ...]) -> AttackTable:
        return table.model_copy(
            update={key: getattr(table, key) + new for key, new in more.items()}
        )

    with claim(kept, {"run": "attack table"}, what="an attack table"):
        for data in plan.data:
            step(f"{data.name}: clean")
            part = _Part(plan, data, cache=cache, kept=kept)
            table = grown(data=(part.describe(),), cells=part.row(CLEAN))
            yield table
            for attack in plan.attacks:
                step(f"{data.name}: {attack.name}")
                try:
                    part.add(attack)
                except (AssetError, ImageContractError) as error:
                    if plan.strict:
                        raise
                    reason = LeftOut(data=data.name, attack=attack.name, reason=str(error))
                    table = grown(left_out=(reason,))
                    log(f"left out: {error}")
                    continue
                table = grown(cells=part.row(attack.name))
                yield table
            step(f"{data.name}: {ADAPTIVE}")
            if part.added:
                table = grown(cells=part.adaptive_row())
                yield table


def _steps(total: int, log: Callable[[str], None]) -> Callable[[str], None]:
    """Returns a function that logs a step, and the time left at the mean of the steps so far."""
    start, done = time.monotonic(), 0

    def step(name: str) -> None:
        nonlocal done
        left = ""
        if done:
            each = (time.monotonic() - start) / done
            hours, minutes = divmod(round(each * (total - done) / 60), 60)
            left = f", about {f'{hours} h ' * bool(hours)}{minutes} min left"
        done += 1
        log(f"[{done}/{total}] {name}{left}")

    return step


class _Part:
    """One data set of the table."""

    def __init__(self, plan: TablePlan, data: DataSet, *, cache: Path, kept: Path) -> None:
        self._plan, self._data, self._cache, self._kept = plan, data, cache, kept
        manifest = Manifest.load(data.source, strict=plan.strict)
        chosen = subsample(manifest.split(plan.split), plan.subsample, seed=plan.seed)
        self._faces = open_faces(chosen, size=data.size, strict=plan.strict)
        self._skipped = len(manifest.skipped) + len(self._faces.skipped)
        resamples = GroupResamples(self._faces.groups, count=plan.resamples, seed=plan.seed)
        self._groups, self._weights = resamples.groups, resamples.weights()
        self._columns = {CLEAN: Column(CLEAN, CLEAN, self._faces)}
        unchanged = np.full(len(self._faces), np.inf), np.ones(len(self._faces))
        self._quality: dict[str, Quality] = {CLEAN: unchanged}
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
            groups=self._groups,
            skipped=self._skipped,
            fingerprint=self._faces.fingerprint(),
        )

    def add(self, attack: Transform) -> None:
        """Attacks the faces and compares them with the originals."""
        attacked = attacked_faces(self._faces, attack, cache=self._cache, in_memory=False)
        column = Column(attack.name, attack.fingerprint(), attacked)
        self._quality[attack.name] = self._measure_quality(column)
        self._columns[attack.name] = column
        self.added.append(attack)

    def row(self, attack: str) -> tuple[TableCell, ...]:
        """Runs every detector on the faces under an attack that was added."""
        cells = []
        for name, detector in self._plan.detectors.items():
            table = LogitTable(self._faces, detector, [self._columns[attack]])
            table.fill(self._path("logits", detector.fingerprint()))
            quality = self._quality[attack]
            cells.append(self._cell(attack, name, table.logits[:, 0], quality))
        return tuple(cells)

    def adaptive_row(self) -> tuple[TableCell, ...]:
        """Lets an attacker choose among all attacks that were added, per face and detector."""
        candidates = Candidates(self._faces, self.added, cache=self._cache)
        names = [*candidates.names, CLEAN]  # the original is number -1
        psnr, ssim = (np.stack([self._quality[one][part] for one in names]) for part in (0, 1))
        faces = np.arange(len(self._faces))
        cells = []
        for name, detector in self._plan.detectors.items():
            table = candidates.table(detector)
            table.load(self._path("logits", detector.fingerprint()))
            found = search(
                self._faces.labels,
                psnr[:-1].T,
                partial(_ask, table),
                threshold=detector.threshold,
                config=self._plan.search,
            )
            after = np.where(found.targeted, found.after, table.logits[:, -1])
            quality = psnr[found.winner, faces], ssim[found.winner, faces]
            counts = np.bincount(found.winner % len(names), minlength=len(names)).tolist()
            success, queries = (
                group_estimate(values, found.attackable, self._weights, CONFIDENCE)
                for values in (found.succeeded, found.queries)
            )
            figures = AdaptiveFigures(
                success=success, queries=queries, published=dict(zip(names, counts, strict=True))
            )
            cell = self._cell(ADAPTIVE, name, after, quality)
            cells.append(cell.model_copy(update={"adaptive": figures}))
        return tuple(cells)

    def _cell(
        self, attack: str, detector: str, logits: NDArray[np.float32], quality: Quality
    ) -> TableCell:
        threshold = float(np.float32(self._plan.detectors[detector].threshold))
        measured = Measured.over(Scores(self._faces.labels, logits, threshold), self._weights)
        clean = self._clean.setdefault(detector, measured)  # the clean row comes first
        changed = quality[0][np.isfinite(quality[0])]
        return TableCell(
            data=self._data.name,
            detector=detector,
            attack=attack,
            family=family(attack),
            precision=self._plan.precisions.get(attack, ""),
            psnr_mean=float(changed.mean()) if len(changed) else None,
            ssim_mean=float(quality[1].mean()),
            metrics=measured.intervals(CONFIDENCE),
            change=measured.minus(clean, CONFIDENCE),
        )

    def _measure_quality(self, column: Column) -> Quality:
        """PSNR in dB and SSIM of every face after an attack, each float64 (N,); kept in a file."""
        path = self._path("quality", column.fingerprint)
        if path.is_file():
            tensors, _ = artifacts.load_state(path)
            return tensors["psnr"].numpy(), tensors["ssim"].numpy()
        psnr, ssim = quality_of_faces(self._faces, column.faces)
        figures = {"psnr": torch.from_numpy(psnr), "ssim": torch.from_numpy(ssim)}
        artifacts.save_state(path, figures, {})
        return psnr, ssim

    def _path(self, kind: str, fingerprint: str) -> Path:
        identity = f"{fingerprint}\n{self._faces.fingerprint()}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:32]
        return self._kept / kind / f"{key}.safetensors"


def _ask(
    table: LogitTable, rows: NDArray[np.int64], attacks: NDArray[np.int64]
) -> NDArray[np.float32]:
    return table.lookup(rows, attacks % len(table.names))  # the original is number -1


def family(name: str) -> str:
    """Returns the common name of related attacks: "srgan" for srgan-x4 and srgan-x4@k2."""
    return "chains" if "+" in name else re.sub(r"(-x?\d+(plus)?)?(@.*)?$", "", name)
