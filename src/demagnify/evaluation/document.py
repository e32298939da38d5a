"""The document of an evaluation: every figure that follows from the evaluated splits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from demagnify.core import documents
from demagnify.core import rng as randomness
from demagnify.core.errors import BadConfigError
from demagnify.core.printing import count
from demagnify.core.specs import parse
from demagnify.evaluation.baselines.choose import Baselines, best_baseline
from demagnify.evaluation.bootstrap import mean_defined
from demagnify.evaluation.grid import EvaluatedSplit
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.evaluation.metrics import METRICS, Floats, MetricName
from demagnify.evaluation.records import none_if_nan
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    BatchFigures,
    Comparison,
    ConditionEntry,
    Context,
    EvaluationResult,
    Familiarity,
    MeanGain,
    MethodEntry,
    Settings,
    SplitEntry,
)
from demagnify.evaluation.significance import corrected
from demagnify.laundering.config import CLEAN

_FEW_GROUPS: Final = 20
_SCALE: Final = re.compile(r"[-_]?x\d+(?:\.\d+)?$", re.IGNORECASE)
_CODEC: Final = re.compile(r"jpeg-\d+(?:-444)?|none")
_RESIZING: Final = "bicubic"


def worst_attack(result: EvaluationResult, split: str) -> str:
    """Returns the attack under which the undefended detector is least right, or "none".

    Attacks without a balanced accuracy, for want of one class, come last.
    """
    found = {
        cell.condition: 1.0 if (value := cell.metrics["balanced_accuracy"].value) is None else value
        for cell in result.cells
        if cell.split == split
        and cell.method == UNDEFENDED
        and cell.condition not in (CLEAN, ADAPTIVE)
    }
    return min(found, key=found.__getitem__, default=CLEAN)


def make_result(
    splits: Mapping[str, EvaluatedSplit],
    entries: tuple[MethodEntry, ...],
    baselines: Sequence[Baselines],
    settings: Settings,
    context: Context,
) -> EvaluationResult:
    """Returns the document of evaluated splits; the first baselines are the base detector's."""
    evaluated = tuple(splits.values())
    pairs = _pairs(entries, baselines)
    base = baselines[0]
    learned = [entry.name for entry in entries if entry.role == "learned"]
    detectors = [entry.name for entry in entries if entry.role == "detector"]
    drawn = list(dict.fromkeys([UNDEFENDED, base.best_fixed, *learned, *detectors]))
    described = tuple(split.describe(context.skipped.get(split.name, ())) for split in evaluated)
    recoveries = (
        split.recoveries(entry.name)
        for split in evaluated
        for entry in entries
        if entry.name != UNDEFENDED
    )
    selection = splits[settings.selection_split]
    return EvaluationResult(
        created=documents.created(),
        settings=settings,
        context=context,
        versions=describe_versions(),
        machine=describe_machine(context.device),
        actions=tuple(evaluated[0].tables[CLEAN].transforms.names),
        best_fixed=base.best_fixed,
        retuned=base.retuned,
        best_baseline=best_baseline(baselines),
        splits=described,
        conditions=_conditions(evaluated, context),
        methods=entries,
        cells=tuple(chain.from_iterable(split.cells() for split in evaluated)),
        comparisons=tuple(_comparisons(evaluated, pairs)),
        recoveries=tuple(chain.from_iterable(recoveries)),
        mean_gains=tuple(_mean_gains(evaluated, pairs, context)),
        action_counts=tuple(chain.from_iterable(split.action_counts() for split in evaluated)),
        roc_curves=tuple(chain.from_iterable(split.roc_curves(drawn) for split in evaluated)),
        batch_figures=tuple(batch_figures(selection, settings, [UNDEFENDED, *learned, *detectors])),
        warnings=(*context.warnings, *_warnings(described)),
    )


def draw_batches(faces: int, settings: Settings) -> NDArray[np.int64]:
    """Returns the face numbers of random batches: (batches, batch size).

    Within a batch no face comes twice; batches are drawn independently of one another, each from
    its own generator. A split smaller than a batch gives batches of all its faces.
    """
    size = min(settings.batch_size, faces)
    generators = (
        randomness.generator(settings.seed, "evaluation-batch", number)
        for number in range(settings.batches)
    )
    return np.stack([generator.permutation(faces)[:size] for generator in generators])


def batch_figures(
    split: EvaluatedSplit, settings: Settings, methods: Sequence[str]
) -> Iterator[BatchFigures]:
    """Yields the paper's protocol: the metrics' mean over random batches, and the pooled figures.

    A batch without a face of one class counts only towards the metrics that it defines. Of several
    trainings the first is meant. The adaptive condition is left out.
    """
    batches = draw_batches(len(split.labels), settings)
    weights = np.zeros((len(batches), len(split.labels)), dtype=np.uint16)
    np.put_along_axis(weights, batches, 1, axis=1)
    for cell in split:
        if cell.condition == ADAPTIVE or cell.method not in methods:
            continue
        scores = cell.measured.scores
        yield BatchFigures(
            split=split.name,
            condition=cell.condition,
            method=cell.method,
            batches=len(batches),
            batch_size=batches.shape[1],
            mean=_by_name(mean_defined(scores.weighted(weights))),
            pooled=_by_name(scores.weighted(weights.sum(axis=0, keepdims=True))[0]),
        )


def _by_name(values: Floats) -> dict[MetricName, float | None]:
    return {name: none_if_nan(value) for name, value in zip(METRICS, values, strict=True)}


def _pairs(entries: Sequence[MethodEntry], baselines: Sequence[Baselines]) -> list[tuple[str, str]]:
    """Every method with the undefended detector; the learned ones with each baseline too.

    Of the fixed actions, only the best of each detector is a baseline.
    """
    left_out = {name for one in baselines for name in one.fixed if name != one.best_fixed}
    references = [
        entry.name
        for entry in entries
        if entry.role in ("baseline", "control", "detector") and entry.name not in left_out
    ]
    pairs = [(entry.name, UNDEFENDED) for entry in entries if entry.name != UNDEFENDED]
    compared = [entry.name for entry in entries if entry.role in ("learned", "detector")]
    return pairs + [(name, other) for name in compared for other in references if name != other]


def _comparisons(
    splits: Sequence[EvaluatedSplit], pairs: Sequence[tuple[str, str]]
) -> Iterator[Comparison]:
    for split in splits:
        found = [one for pair in pairs for one in split.compare(*pair)]
        ready = {
            name: iter(corrected([one for one in found if one.method == name]))
            for name in {one.method for one in found}
        }
        yield from (next(ready[one.method]) for one in found)


def _mean_gains(
    splits: Sequence[EvaluatedSplit], pairs: Sequence[tuple[str, str]], context: Context
) -> Iterator[MeanGain]:
    for split in splits:
        attacks = tuple(name for name in split.tables if name != CLEAN)
        unseen = tuple(
            name
            for name in attacks
            if familiarity(name, context.seen_attacks) in ("unseen", "control")
        )
        for chosen in filter(None, dict.fromkeys((attacks, unseen))):
            for method, reference in pairs:
                gain, net = split.mean_gain(method, reference, chosen)
                yield MeanGain(
                    split=split.name,
                    conditions=chosen,
                    method=method,
                    reference=reference,
                    gain=gain,
                    net=net,
                )


def _conditions(splits: Sequence[EvaluatedSplit], context: Context) -> tuple[ConditionEntry, ...]:
    measured = {entry.name: entry for entry in context.attack_quality}
    names = dict.fromkeys(chain.from_iterable(split.conditions for split in splits))
    known = {name: familiarity(name, context.seen_attacks) for name in names}
    return tuple(
        measured.get(name, ConditionEntry(name=name, seen=False)).model_copy(
            update={"seen": known[name] in ("clean", "seen"), "familiarity": known[name]}
        )
        for name in sorted(names, key=lambda name: name == ADAPTIVE)
    )


def _warnings(splits: Sequence[SplitEntry]) -> Iterator[str]:
    for split in splits:
        if split.groups < _FEW_GROUPS:
            yield (
                f"The split {split.name} has only {count(split.groups, 'group')}: "
                "intervals from so few are too narrow."
            )
        if not split.real or not split.fake:
            missing = "real" if not split.real else "fake"
            yield f"The split {split.name} has no {missing} faces: some metrics have no value."


def familiarity(attack: str, seen: Collection[str]) -> Familiarity:
    """Returns how well defences that were trained against `seen` know `attack`.

    Args:
        attack: Its name, or a chain of names.
        seen: Every attack that took part in any training.

    Returns:
        "clean" for no attack, "adaptive" for the best of all attacks, "seen" for one of `seen`,
        "other-setting" where a network (or the resizing) of it took part otherwise, "control" for
        an attack without a network, else "unseen".
    """
    if attack in (CLEAN, ADAPTIVE):
        return "clean" if attack == CLEAN else "adaptive"
    if attack in seen:
        return "seen"
    mine = families(attack)
    if mine & set().union(*(families(name) for name in seen)):
        return "other-setting"
    return "unseen" if mine - {_RESIZING} else "control"


def families(attack: str) -> set[str]:
    """Returns the networks of an attack without scale and options; resizing counts as one."""
    try:
        bases = [link.base for link in parse(attack)]
    except BadConfigError:  # a file's name may look like options
        bases = [attack]
    return {_SCALE.sub("", base).lower() for base in bases if not _CODEC.fullmatch(base)}
