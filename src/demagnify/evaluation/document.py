"""The document of an evaluation: every figure that follows from the evaluated splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core import rng as randomness
from demagnify.evaluation.baselines.choose import References, best_rival
from demagnify.evaluation.baselines.simple import AlwaysAction
from demagnify.evaluation.grid import JudgedSplit, estimate, none_if_nan
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.evaluation.metrics import METRICS, Floats, MetricName
from demagnify.evaluation.provenance import familiarity
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    AttackEntry,
    BatchFigures,
    Comparison,
    Context,
    DefenseEntry,
    EvaluationResult,
    MeanGain,
    Recovery,
    Settings,
    SplitEntry,
)
from demagnify.evaluation.statistics import holm, mean_defined
from demagnify.laundering.conditions import CLEAN


def draw_batches(faces: int, settings: Settings) -> NDArray[np.int64]:
    """Returns the face numbers of random batches: (batches, batch size).

    Within a batch no face comes twice; batches are drawn independently of one another, each from
    its own generator. A split smaller than a batch gives batches of all its faces.
    """
    size = min(settings.batch_size, faces)
    return np.stack(
        [
            randomness.generator(settings.seed, "evaluation-batch", number).permutation(faces)[
                :size
            ]
            for number in range(settings.batches)
        ]
    )


def batch_figures(
    split: JudgedSplit, settings: Settings, defenses: Sequence[str]
) -> Iterator[BatchFigures]:
    """Yields the mean over random batches and the pooled figures.

    A batch without a face of one class counts only towards the metrics that it defines. Of several
    trainings the first is meant.

    Args:
        split: The judged faces.
        settings: How many batches, of which size, drawn by which seed.
        defenses: Whose cells are summed up so; all attacks but the adaptive one.
    """
    batches = draw_batches(len(split.labels), settings)
    weights = np.zeros((len(batches), len(split.labels)), dtype=np.uint16)
    np.put_along_axis(weights, batches, 1, axis=1)
    for cell in split:
        if cell.attack == ADAPTIVE or cell.defense not in defenses:
            continue
        scores = cell.measured.scores
        yield BatchFigures(
            split=split.name,
            attack=cell.attack,
            defense=cell.defense,
            batches=len(batches),
            batch_size=batches.shape[1],
            mean=_by_name(mean_defined(scores.weighted(weights))),
            pooled=_by_name(scores.weighted(weights.sum(axis=0, keepdims=True))[0]),
        )


def _by_name(values: Floats) -> dict[MetricName, float | None]:
    return {name: none_if_nan(value) for name, value in zip(METRICS, values, strict=True)}


_FEW_GROUPS: Final = 20


def worst_attack(result: EvaluationResult, split: str) -> str:
    """Returns the attack under which the undefended detector is least right, or "none".

    Attacks without a balanced accuracy, for want of one class, come last.
    """
    found = {
        cell.attack: 1.0 if (value := cell.metrics["balanced_accuracy"].value) is None else value
        for cell in result.cells
        if cell.split == split
        and cell.defense == UNDEFENDED
        and cell.attack not in (CLEAN, ADAPTIVE)
    }
    return min(found, key=found.__getitem__, default=CLEAN)


def make_result(
    splits: Mapping[str, JudgedSplit],
    entries: tuple[DefenseEntry, ...],
    references: Sequence[References],
    settings: Settings,
    context: Context,
) -> EvaluationResult:
    """Returns the document of judged splits.

    Args:
        splits: The splits by name.
        entries: Who was judged, in order.
        references: Of the base detector, then of each other one.
        settings: How it was judged.
        context: What to record beside the figures.
    """
    judged = tuple(splits.values())
    pairs = _pairs(entries, references)
    learned = [entry.name for entry in entries if entry.role == "learned"]
    base = references[0]
    detectors = [entry.name for entry in entries if entry.role == "detector"]
    drawn = list(dict.fromkeys([UNDEFENDED, base.best_fixed, *learned, *detectors]))
    described = tuple(split.describe(context.skipped.get(split.name, ())) for split in judged)
    return EvaluationResult(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=settings,
        context=context,
        versions=describe_versions(),
        machine=describe_machine(context.device),
        actions=tuple(judged[0].faced[CLEAN].table.actions.names),
        best_fixed=base.best_fixed,
        retuned=base.retuned,
        best_rival=best_rival(references),
        splits=described,
        attacks=_attacks(judged, context),
        defenses=entries,
        cells=tuple(chain.from_iterable(split.cells() for split in judged)),
        comparisons=tuple(_comparisons(judged, pairs)),
        recoveries=tuple(_recoveries(judged, [entry.name for entry in entries])),
        mean_gains=tuple(_mean_gains(judged, pairs, context)),
        action_counts=tuple(chain.from_iterable(split.action_counts() for split in judged)),
        roc_curves=tuple(chain.from_iterable(split.roc_curves(drawn) for split in judged)),
        batch_figures=tuple(
            batch_figures(
                splits[settings.selection_split], settings, [UNDEFENDED, *learned, *detectors]
            )
        ),
        warnings=(*context.warnings, *_warnings(described)),
    )


def _pairs(
    entries: Sequence[DefenseEntry], references: Sequence[References]
) -> list[tuple[str, str]]:
    """Every defence with the undefended detector; the learned ones with each rival too.

    Of the actions that are taken always, only the best of each detector is a rival.
    """
    fixed = {one.best_fixed for one in references}
    always = {
        contender.name
        for one in references
        for contender in one.contenders
        if isinstance(contender.members[0].defense, AlwaysAction)
        and contender.entry.role == "baseline"
    }
    rivals = [
        entry.name
        for entry in entries
        if entry.role in ("baseline", "control", "detector")
        and (entry.name not in always or entry.name in fixed)
    ]
    pairs = [(entry.name, UNDEFENDED) for entry in entries if entry.name != UNDEFENDED]
    judged = [entry.name for entry in entries if entry.role in ("learned", "detector")]
    return pairs + [(name, rival) for name in judged for rival in rivals if name != rival]


def _comparisons(
    judged: Sequence[JudgedSplit], pairs: Sequence[tuple[str, str]]
) -> Iterator[Comparison]:
    for split in judged:
        found = [one for pair in pairs for one in split.compare(*pair)]
        corrected: dict[int, float] = {}
        for name in dict.fromkeys(one.defense for one in found):
            mine = [one for one in found if one.defense == name]
            values = holm([one.mcnemar_p for one in mine]).tolist()
            corrected |= {id(one): value for one, value in zip(mine, values, strict=True)}
        for one in found:
            yield one.model_copy(update={"mcnemar_holm": corrected[id(one)]})


def _mean_gains(
    judged: Sequence[JudgedSplit], pairs: Sequence[tuple[str, str]], context: Context
) -> Iterator[MeanGain]:
    for split in judged:
        attacks = tuple(attack for attack in split.faced if attack != CLEAN)
        unseen = tuple(
            attack
            for attack in attacks
            if familiarity(attack, context.seen_attacks) in ("unseen", "control")
        )
        for chosen in filter(None, dict.fromkeys((attacks, unseen))):
            for defense, reference in pairs:
                gain = split.mean_gain(defense, reference, chosen)
                yield MeanGain(
                    split=split.name,
                    attacks=chosen,
                    defense=defense,
                    reference=reference,
                    gain=estimate(gain),
                )


def _recoveries(judged: Sequence[JudgedSplit], defenses: Sequence[str]) -> Iterator[Recovery]:
    for split in judged:
        for defense in defenses:
            if defense != UNDEFENDED:
                yield from split.recoveries(defense)


def _attacks(judged: Sequence[JudgedSplit], context: Context) -> tuple[AttackEntry, ...]:
    measured = {entry.name: entry for entry in context.attack_quality}
    names = dict.fromkeys(chain.from_iterable(split.attacks for split in judged))
    known = {name: familiarity(name, context.seen_attacks) for name in names}
    return tuple(
        measured.get(name, AttackEntry(name=name, seen=False)).model_copy(
            update={"seen": known[name] in ("clean", "seen"), "familiarity": known[name]}
        )
        for name in sorted(names, key=lambda name: name == ADAPTIVE)
    )


def _warnings(splits: Sequence[SplitEntry]) -> Iterator[str]:
    for split in splits:
        if split.groups < _FEW_GROUPS:
            yield (
                f"The split {split.name} has only {split.groups} groups: "
                "intervals from so few are too narrow."
            )
        if not split.real or not split.fake:
            missing = "real" if not split.real else "fake"
            yield f"The split {split.name} has no {missing} faces: some metrics have no value."
