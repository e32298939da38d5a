"""Judging defences on a data set, clean and under attack."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from demagnify.agents.defended import DefendedDetector
from demagnify.core.devices import Precision
from demagnify.data import FaceDataset, Skipped
from demagnify.data.provenance import compare_sources
from demagnify.detectors import Detector
from demagnify.detectors.train import open_splits
from demagnify.evaluation import Context, Evaluation, Settings, evaluate
from demagnify.evaluation.benches import Bench, Benches, Group, is_bare
from demagnify.evaluation.machine import action_costs
from demagnify.evaluation.report import write_report
from demagnify.evaluation.results import AttackEntry
from demagnify.laundering.conditions import (
    CLEAN,
    Attacked,
    at_size,
    attacked_only,
    create_attacks,
    under_attacks,
)
from demagnify.laundering.quality import quality
from demagnify.transforms.base import Transform

SPLITS = ("val", "test")
COSTS = "costs.json"
MEASURED: Final = 256
"""On how many faces, spread evenly over a split, image quality is measured."""


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What shall be judged on what.

    Attributes:
        sources: Manifests with the splits val and test; see `Manifest.load`.
        defenses: Name in the tables -> defended detector, or several that were trained with
            different seeds. Detectors and actions may differ. One whose agent can do nothing is a
            bare detector, and a row of its own.
        attacks: Names, or files of super-resolution networks.
        base: The detector that all are measured against; None for the one from which the first
            defence's was hardened, if that is at hand, or else the first defence's own.
        attacked: Which faces the attacker attacks.
        attack_precision: In what the attacks' networks compute.
        face_size: Side in pixels at which faces are attacked; None for the detector's.
        limit: At most so many faces of each data set and split, drawn by group.
        settings: Seed, resamples, batches.
        title: A name for the run.
        command: The command line that made it.
        configuration: The resolved configuration, for the record.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: Where the attacks' networks compute.
    """

    sources: Sequence[Path]
    defenses: Mapping[str, DefendedDetector | Group]
    attacks: Sequence[str]
    base: Detector | None = None
    attacked: Attacked = "all"
    attack_precision: Precision = "float32"
    face_size: int | None = None
    limit: int | None = None
    settings: Settings = field(default_factory=lambda: Settings(selection_split=SPLITS[0]))
    title: str = ""
    command: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    device: str = "auto"

    @property
    def groups(self) -> dict[str, Group]:
        """The defences, each as its trainings."""
        return {
            name: [one] if isinstance(one, DefendedDetector) else list(one)
            for name, one in self.defenses.items()
        }


def evaluate_on(
    plan: EvaluationPlan, output: Path, *, skip: Callable[[Skipped], None] | None = None
) -> Evaluation:
    """Judges every defence under every attack on val and test, and writes the run to `output`.

    Writes results.json, predictions.csv, examples/ and the report. The detectors' answers are
    kept in `output`/tables, so that a killed evaluation asks only for what it does not know.

    Args:
        plan: What shall be judged on what.
        output: The run folder.
        skip: Gets each file or line that is left out.

    Raises:
        BadConfigError: If there is no defence, or they know faces of different sizes.
        BadManifestError: If a data set cannot be used.
    """
    benches = Benches(plan.groups, plan.base)
    chosen = create_attacks(plan.attacks, device=plan.device, precision=plan.attack_precision)
    timings: dict[str, float] = {}
    suffix = "" if plan.attacked == "all" else f"-{plan.attacked}"
    size = benches.input_size
    opened = open_splits(
        plan.sources,
        SPLITS,
        size=plan.face_size or size,
        limit=plan.limit,
        strict=plan.strict,
        skip=skip,
    )
    seen = _seen(plan.groups)
    for split, faces in opened.items():
        with _timed(timings, f"attacking {split}"):
            met = _to_choose_by(chosen, seen) if split == SPLITS[0] else chosen
            attacked = at_size(under_attacks(faces, met), size)
        with _timed(timings, f"detector on {split}"):
            conditions = attacked_only(attacked, plan.attacked)
            benches.fill(split, conditions, output / "tables", suffix=suffix)
    first = next((one for group in plan.groups.values() for one in group if not is_bare(one)), None)
    evaluation = evaluate(
        benches.base.faceds,
        benches.contenders(),
        others=benches.boards(),
        settings=plan.settings,
        context=Context(
            title=plan.title,
            command=plan.command,
            seen_attacks=seen,
            attacked=plan.attacked,
            base=benches.base.defended.detector.name,
            training_data=compare_sources(_cards(plan.groups), plan.sources),
            device=str(benches.base.defended.device or "cpu"),
            data=_describe(plan.sources),
            detector=_about_detector(benches.base.defended),
            configuration=dict(plan.configuration),
            attack_quality=measure_quality(attacked),  # of the last split, the unseen one
            learner_history=() if first is None else _learner_rows(first),
            detector_history=_detector_rows(benches.base.defended),
            costs=action_costs(
                benches.base.faceds[SPLITS[0]][CLEAN].table.faces,
                benches.base.defended,
                output / "tables" / COSTS,
            ),
            timings=timings,
        ),
    )
    evaluation.save(output)
    write_report(output)
    return evaluation


def measure_quality(conditions: Mapping[str, FaceDataset]) -> tuple[AttackEntry, ...]:
    """Returns how far each attack moves the pixels: PSNR and SSIM against the clean faces."""
    clean = conditions[CLEAN]
    count = min(MEASURED, len(clean))
    indices = np.unique(np.linspace(0, len(clean) - 1, count).astype(np.int64))
    return tuple(
        AttackEntry.of(name, *quality(clean.batch(indices), faces.batch(indices)))
        for name, faces in conditions.items()
        if name != CLEAN
    )


def _costs(bench: Bench, output: Path) -> dict[str, float]:
    faces = bench.faceds[SPLITS[0]][CLEAN].table.faces
    return action_costs(faces, bench.defended, output / "tables" / COSTS)


def _to_choose_by(chosen: Sequence[Transform], seen: Sequence[str]) -> list[Transform]:
    """Returns the attacks that those who choose and fit may meet: the seen; all if there is none.

    The others would cost as much on val as on test, and nobody may look at them there.
    """
    return [attack for attack in chosen if attack.name in seen] or list(chosen)


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round(time.perf_counter() - start, 2)


def _cards(groups: Mapping[str, Group]) -> list[Mapping[str, Any]]:
    """What is said about every defence and every detector."""
    everyone = [one for group in groups.values() for one in group]
    return [card for one in everyone for card in (one.card, one.detector.card)]


def _seen(groups: Mapping[str, Group]) -> tuple[str, ...]:
    """What any of the defences or detectors was trained against counts as seen."""
    found = (attack for card in _cards(groups) for attack in card.get("seen_attacks", ()))
    return tuple(dict.fromkeys(found))


def _describe(sources: Sequence[Path]) -> str:
    return ", ".join(source.name or str(source) for source in sources)


def _about_detector(defended: DefendedDetector) -> dict[str, Any]:
    card = defended.detector.card
    kept = ("detector", "training", "data", "validation", "pos_weight")
    return {
        "name": defended.detector.name,
        "threshold": defended.threshold,
        "input_size": defended.input_size,
        **{key: card[key] for key in kept if key in card},
    }


def _learner_rows(defended: DefendedDetector) -> tuple[dict[str, float | None], ...]:
    names = defended.actions.names
    return tuple(
        {
            **{key: value for key, value in point.items() if key != "actions"},
            **{f"share of {name}": x for name, x in zip(names, point["actions"], strict=True)},
        }
        for point in defended.card.get("history", ())
    )


def _detector_rows(defended: DefendedDetector) -> tuple[dict[str, float | None], ...]:
    return tuple(defended.detector.card.get("history", ()))
