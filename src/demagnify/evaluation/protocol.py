"""Who is judged on what: the grid of defences and attacks, on validation and on test.

Everything that is chosen (the best single action, the re-tuned threshold) is chosen on the
selection split; the other splits are only judged, once, in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

from demagnify.defense.judgement import Defense
from demagnify.errors import BadConfigError
from demagnify.evaluation.batches import batch_figures
from demagnify.evaluation.context import AttackEntry, Context, Settings
from demagnify.evaluation.examples import pick_examples
from demagnify.evaluation.faced import Faceds
from demagnify.evaluation.grid import JudgedSplit, estimate
from demagnify.evaluation.machine import describe_machine, describe_versions
from demagnify.evaluation.references import References, choose_references
from demagnify.evaluation.result import (
    CLEAN,
    UNDEFENDED,
    Comparison,
    DefenseEntry,
    EvaluationResult,
    MeanGain,
    Recovery,
    SplitEntry,
)
from demagnify.evaluation.run_folder import save_examples, save_predictions, save_result

_FEW_GROUPS: Final = 20


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        result: The document from which tables and pictures are made.
        splits: The judged splits with every face's verdict, by name.
    """

    result: EvaluationResult
    splits: dict[str, JudgedSplit]

    def save(self, folder: Path) -> Path:
        """Writes results.json, predictions.csv and examples/ to `folder`; returns the folder.

        The examples show the first learned defence on the last split under the attack that hurts
        the undefended detector most.

        Raises:
            BadOutputError: If the place cannot be written to.
        """
        save_predictions(folder, self.splits.values())
        learned = self.result.of_role("learned")
        if learned:
            split = list(self.splits.values())[-1]
            attack = worst_attack(self.result, split.name)
            seed = self.result.settings.seed
            save_examples(folder, pick_examples(split, attack, learned[0], seed=seed))
        save_result(folder, self.result)
        return folder


def evaluate(
    faceds: Faceds,
    learned: Sequence[Defense],
    *,
    settings: Settings | None = None,
    context: Context | None = None,
) -> Evaluation:
    """Judges every defence on every attack of every split.

    Args:
        faceds: Split name -> attack name -> faces. Every split holds "none", the clean faces,
            and the same faces under its attacks. The selection split must be among them.
        learned: The defences that were learned, judged beside all references.
        settings: Seed, resamples, batches; defaults if None.
        context: What to record beside the figures.

    Raises:
        BadConfigError: If the selection split or clean faces are missing, splits differ in their
            actions, or two defences have one name.
    """
    settings, context = settings or Settings(), context or Context()
    if settings.selection_split not in faceds:
        raise BadConfigError(
            f"there is no split {settings.selection_split!r} to choose the baselines on",
            hint=f"the splits are {', '.join(faceds)}",
        )
    references = choose_references(
        faceds[settings.selection_split], seen=context.seen_attacks, settings=settings
    )
    defenses = [*references.defenses, *learned]
    _check_names(defenses)
    splits = {name: JudgedSplit(name, faced, defenses, settings) for name, faced in faceds.items()}
    entries = (*references.entries, *_learned_entries(learned))
    result = _result(splits, entries, references, settings, context)
    return Evaluation(result, splits)


def worst_attack(result: EvaluationResult, split: str) -> str:
    """Returns the attack under which the undefended detector is least right, or "none".

    Attacks without a balanced accuracy, for want of one class, come last.
    """
    found = {
        cell.attack: 1.0 if (value := cell.metrics["balanced_accuracy"].value) is None else value
        for cell in result.cells
        if cell.split == split and cell.defense == UNDEFENDED and cell.attack != CLEAN
    }
    return min(found, key=found.__getitem__, default=CLEAN)


def _result(
    splits: dict[str, JudgedSplit],
    entries: tuple[DefenseEntry, ...],
    references: References,
    settings: Settings,
    context: Context,
) -> EvaluationResult:
    judged = tuple(splits.values())
    defenses = [entry.name for entry in entries]
    learned = [entry.name for entry in entries if entry.role == "learned"]
    drawn = [UNDEFENDED, references.best_fixed, *learned]
    described = tuple(split.describe(context.skipped.get(split.name, ())) for split in judged)
    return EvaluationResult(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=settings,
        context=context,
        versions=describe_versions(),
        machine=describe_machine(context.device),
        actions=tuple(judged[0].faced[CLEAN].table.actions.names),
        best_fixed=references.best_fixed,
        retuned=references.retuned,
        splits=described,
        attacks=_attacks(judged, context),
        defenses=entries,
        cells=tuple(chain.from_iterable(split.cells() for split in judged)),
        comparisons=tuple(_comparisons(judged, defenses, learned, references)),
        recoveries=tuple(_recoveries(judged, defenses)),
        mean_gains=tuple(_mean_gains(judged, defenses, learned, references, context)),
        action_counts=tuple(chain.from_iterable(split.action_counts() for split in judged)),
        roc_curves=tuple(chain.from_iterable(split.roc_curves(drawn) for split in judged)),
        batch_figures=tuple(batch_figures(splits[settings.selection_split], settings)),
        warnings=(*context.warnings, *_warnings(described)),
    )


def _pairs(
    defenses: Sequence[str], learned: Sequence[str], references: References
) -> Iterator[tuple[str, str]]:
    """Each defence with the undefended detector; the learned ones with the best rivals too."""
    for defense in defenses:
        rivals = {references.best_fixed, references.retuned} if defense in learned else set()
        for reference in (UNDEFENDED, *sorted(rivals - {UNDEFENDED})):
            if reference != defense:
                yield defense, reference


def _comparisons(
    judged: Sequence[JudgedSplit],
    defenses: Sequence[str],
    learned: Sequence[str],
    references: References,
) -> Iterator[Comparison]:
    for split in judged:
        for defense, reference in _pairs(defenses, learned, references):
            yield from split.compare(defense, reference)


def _mean_gains(
    judged: Sequence[JudgedSplit],
    defenses: Sequence[str],
    learned: Sequence[str],
    references: References,
    context: Context,
) -> Iterator[MeanGain]:
    for split in judged:
        attacks = [attack for attack in split.faced if attack != CLEAN]
        unseen = [attack for attack in attacks if attack not in context.seen_attacks]
        for chosen in filter(None, dict.fromkeys((tuple(attacks), tuple(unseen)))):
            for defense, reference in _pairs(defenses, learned, references):
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
    names = dict.fromkeys(chain.from_iterable(split.faced for split in judged))
    return tuple(
        measured.get(name, AttackEntry(name=name, seen=False)).model_copy(
            update={"seen": name == CLEAN or name in context.seen_attacks}
        )
        for name in names
    )


def _learned_entries(learned: Sequence[Defense]) -> Iterator[DefenseEntry]:
    for defense in learned:
        yield DefenseEntry(
            name=defense.name, role="learned", note="A policy that chooses an action per face."
        )


def _check_names(defenses: Sequence[Defense]) -> None:
    names = [defense.name for defense in defenses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadConfigError(f"several defences are called {', '.join(twice)}")


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
