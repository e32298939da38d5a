"""Who is judged on what: the grid of defences and attacks, on validation and on test.

Everything that is chosen (the best single action, the re-tuned threshold, the best rival) is chosen
on the selection split; the other splits are only judged, once, in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demagnify.agents.judgement import Defense
from demagnify.agents.state import StateEncoder
from demagnify.core.errors import BadConfigError
from demagnify.evaluation.baselines.choose import choose_references
from demagnify.evaluation.contender import (
    Board,
    Contender,
    Member,
    encoder_of,
    learned_contender,
)
from demagnify.evaluation.document import make_result, worst_attack
from demagnify.evaluation.faced import Faceds
from demagnify.evaluation.grid import JudgedSplit, check_same_faces
from demagnify.evaluation.results import Context, EvaluationResult, Settings
from demagnify.evaluation.run_folder import (
    pick_examples,
    save_examples,
    save_predictions,
    save_result,
)


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
    learned: Sequence[Defense | Contender],
    *,
    others: Sequence[Board] = (),
    settings: Settings | None = None,
    context: Context | None = None,
) -> Evaluation:
    """Judges every defence on every attack of every split.

    Args:
        faceds: Split name -> attack name -> faces, with the answers of the base detector: the one
            whose undefended figures all others are measured against. Every split holds "none",
            the clean faces, and the same faces under its attacks. The selection split must be
            among them.
        learned: The defences that were learned, judged beside all references. Those that judge on
            another detector's answers, or were trained with several seeds, come as `Contender`.
        others: Other detectors; each gets a row of its own and, where it can act, references.
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
    rows = [_row(one, faceds) for one in learned]
    for split, faced in faceds.items():
        check_same_faces(split, faced)
    base = Board(faceds, encoder=_first_encoder(rows, faceds))
    references = [
        choose_references(board, seen=context.seen_attacks, settings=settings)
        for board in (base, *others)
    ]
    contenders = [row for one in references for row in one.contenders] + rows
    _check_names([contender.name for contender in contenders])
    splits = {
        name: JudgedSplit(name, faced, contenders, settings) for name, faced in faceds.items()
    }
    entries = tuple(contender.entry for contender in contenders)
    return Evaluation(make_result(splits, entries, references, settings, context), splits)


def _row(one: Defense | Contender, faceds: Faceds) -> Contender:
    if isinstance(one, Contender):
        return one
    return learned_contender(one.name, Member(one, faceds))


def _first_encoder(rows: Sequence[Contender], faceds: Faceds) -> StateEncoder | None:
    """Returns what the first agent of the base detector sees; None if there is none."""
    mine = [member for row in rows for member in row.members if member.faceds is faceds]
    return next(filter(None, (encoder_of(member.defense) for member in mine)), None)


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadConfigError(f"several defences are called {', '.join(twice)}")
