"""Judging defences on a data set, clean and under attack."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demagnify.defense.defended import DefendedDetector
from demagnify.defense.learned import Learned
from demagnify.defense.reward_table import RewardTable
from demagnify.errors import BadConfigError
from demagnify.evaluation import Context, Evaluation, Faced, Settings, evaluate
from demagnify.evaluation.report import write_report
from demagnify.experiments.conditions import create_attacks, measure_quality, under_attacks
from demagnify.experiments.detector import open_splits

SPLITS = ("val", "test")


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What shall be judged on what.

    Attributes:
        sources: Manifests with the splits val and test; see `Manifest.load`.
        defenses: Name in the tables -> defended detector; all of one detector and action set.
        attacks: Names, or files of super-resolution networks.
        settings: Seed, resamples, batches.
        title: A name for the run.
        command: The command line that made it.
        configuration: The resolved configuration, for the record.
        strict: Whether a bad line or file stops the work instead of being skipped.
        device: Where the attacks' networks compute.
    """

    sources: Sequence[Path]
    defenses: Mapping[str, DefendedDetector]
    attacks: Sequence[str]
    settings: Settings = field(default_factory=lambda: Settings(selection_split=SPLITS[0]))
    title: str = ""
    command: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    device: str = "auto"


def evaluate_on(plan: EvaluationPlan, output: Path) -> Evaluation:
    """Judges every defence under every attack on val and test, and writes the run to `output`.

    Writes results.json, predictions.csv, examples/ and the report. The detector's answers are
    kept in `output`/tables, so that a killed evaluation asks only for what it does not know.

    Args:
        plan: What shall be judged on what.
        output: The run folder.

    Raises:
        BadConfigError: If the defences do not share detector and actions, or there is none.
        BadManifestError: If a data set cannot be used.
    """
    _check_comparable(plan.defenses)
    first = next(iter(plan.defenses.values()))
    chosen = create_attacks(plan.attacks, device=plan.device)
    timings: dict[str, float] = {}
    faceds: dict[str, dict[str, Faced]] = {}
    opened = open_splits(plan.sources, SPLITS, size=first.input_size, strict=plan.strict)
    for split, faces in opened.items():
        with _timed(timings, f"attacking {split}"):
            conditions = under_attacks(faces, chosen)
        with _timed(timings, f"detector on {split}"):
            faceds[split] = {}
            for name, attacked in conditions.items():
                table = RewardTable(attacked, first.detector, first.actions)
                table.fill(output / "tables" / f"{split}-{name}.safetensors")
                faceds[split][name] = Faced(table)
    quality = measure_quality(conditions)  # of the last split, the unseen one
    evaluation = evaluate(
        faceds,
        [Learned(d.policy, d.encoder, name=name) for name, d in plan.defenses.items()],
        settings=plan.settings,
        context=Context(
            title=plan.title,
            command=plan.command,
            seen_attacks=_seen(plan.defenses),
            device=str(first.device or "cpu"),
            data=_describe(plan.sources),
            detector=_about_detector(first),
            configuration=dict(plan.configuration),
            attack_quality=quality,
            learner_history=_learner_rows(first),
            detector_history=_detector_rows(first),
            timings=timings,
        ),
    )
    evaluation.save(output)
    write_report(output)
    return evaluation


def _check_comparable(defenses: Mapping[str, DefendedDetector]) -> None:
    """One table of the detector's answers must serve all."""
    if not defenses:
        raise BadConfigError("there is no defence to judge")
    first, *others = defenses.values()
    for other in others:
        if (
            other.detector.fingerprint() != first.detector.fingerprint()
            or other.threshold != first.threshold
            or list(map(repr, other.actions)) != list(map(repr, first.actions))
            or other.input_size != first.input_size
        ):
            raise BadConfigError(
                "the defences have different detectors or actions",
                hint="judge them in runs of their own",
            )


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = round(time.perf_counter() - start, 2)


def _seen(defenses: Mapping[str, DefendedDetector]) -> tuple[str, ...]:
    """What any of the defences was trained against counts as seen."""
    return tuple(
        dict.fromkeys(
            attack for one in defenses.values() for attack in one.card.get("seen_attacks", ())
        )
    )


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
