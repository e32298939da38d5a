"""The baselines beside the learned methods, and which of them is best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from demagnify.agents.judgement import Defense
from demagnify.agents.state import Spectrum, StateEncoder, Thumbnail
from demagnify.data.subsample import hold_out
from demagnify.evaluation.baselines import networks
from demagnify.evaluation.baselines.cached_state import MOST, Remembered
from demagnify.evaluation.baselines.fitted import GreedySearch, Router, Stacking
from demagnify.evaluation.baselines.pool import Pool
from demagnify.evaluation.baselines.simple import (
    AlwaysAction,
    AverageActions,
    Constant,
    MovedThreshold,
    Oracle,
    RandomAction,
    balanced,
    choose_action,
    choose_threshold,
)
from demagnify.evaluation.contender import Board, Contender, Member
from demagnify.evaluation.faced import Faced
from demagnify.evaluation.results import UNDEFENDED, DefenseEntry, Role, Settings
from demagnify.laundering.conditions import CLEAN

_FOLDS: Final = 2

_NOTES: Final = {
    "undefended": "The detector alone, which is also never acting: every face is left as it is.",
    "detector": "This detector alone, without an agent.",
    "always": "Does the same to every face.",
    "random": "Draws each face's action at random.",
    "oracle": "Takes the best action knowing the label.",
    "average": "Averages the logits over all actions (test-time augmentation).",
    "router": "A probe of the spectrum tells attacked faces; they and the others each get the best "
    "action and threshold.",
    "stacking": "A logistic regression on the logits after all actions.",
    "greedy": "Averages the chances after a few actions, added one by one by the calibrated "
    "log-likelihood (Molchanov et al., 2020).",
    "top-k": "Averages the logits after the three actions that a network values most (Nadimpalli & "
    "Rattani, 2022).",
    "direct": "The agent's network and state trained to tell real from fake itself.",
    "logit": "Control p(1 - p): an agent that sees only the detector's logit.",
    "shuffled": "Control: the agent's network and state, learned from the rewards of other faces.",
    "constant": "Control: says the same of every face, the commoner label.",
}


@dataclass(frozen=True, slots=True)
class References:
    """Those beside whom the learned defences of one detector stand.

    Attributes:
        contenders: The rows, the detector alone first.
        best_fixed: Of those that always do the same, the best; may be the detector alone.
        retuned: The one that only moves the threshold.
        ranked: The others that could be used, with the balanced accuracy that each reached on
            faces of the selection split that it was not fitted to.
    """

    contenders: tuple[Contender, ...]
    best_fixed: str
    retuned: str
    ranked: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Rival:
    """How a row comes about."""

    fit: Callable[[Pool], Defense]
    note: str
    role: Role = "baseline"
    fitted: bool = True
    ranked: bool = True


def choose_references(board: Board, *, seen: Sequence[str], settings: Settings) -> References:
    """Makes the references of one detector; fits and chooses on its selection split.

    Args:
        board: The detector's answers.
        seen: The attacks that the learned defences saw; all of the split if none of them is there.
        settings: Seed, and which split is the selection split.
    """
    faced = _known(board.faceds[settings.selection_split], seen)
    pool = Pool.of(faced)
    tables = [one.table for one in faced.values()]
    names = tables[0].actions.names
    always = [AlwaysAction(number, name) for number, name in enumerate(names)]
    best = always[choose_action(tables)]
    chosen_on = f"chosen on the split {settings.selection_split!r}"
    rows = _detector_row(board, always[0])
    ranked = {row.name: _reached(always[0], pool) for row in rows if board.name}
    for one in always[1:]:
        note = f"{_NOTES['always']} The best single action, {chosen_on}." if one is best else ""
        rows.append(_contender(board, one, note or _NOTES["always"]))
    for rival in _rivals(board, pool, settings):
        defense = rival.fit(pool)
        note = rival.note
        if rival.fitted:
            note += f" Fitted to the split {settings.selection_split!r}."
        row = _contender(board, defense, note, role=rival.role, fitted=rival.fitted)
        rows.append(row)
        if rival.ranked:
            ranked[row.name] = _held_out_score(rival, pool, settings.seed)
    fixed = _name(board, best.name)
    retuned = _name(board, MovedThreshold.name)
    return References(tuple(rows), fixed, retuned, ranked)


def best_rival(references: Sequence[References]) -> str:
    """Returns the best of all that is neither learned nor one fixed action; "" if there is none.

    It is the one with the best balanced accuracy on faces of the selection split that it was not
    fitted to.
    """
    ranked = {name: score for one in references for name, score in one.ranked.items()}
    return max(ranked, key=ranked.__getitem__, default="")


def _detector_row(board: Board, leave: AlwaysAction) -> list[Contender]:
    """The detector without an agent, unless another row shows it."""
    if not board.name:
        return [_contender(board, leave, _NOTES["undefended"], role="undefended")]
    if not board.alone:
        return []
    return [_contender(board, leave, _NOTES["detector"], role="detector", name=board.alone)]


def _known(faced: Mapping[str, Faced], seen: Sequence[str]) -> Mapping[str, Faced]:
    known = [name for name in faced if name in seen and name != CLEAN]
    return {name: faced[name] for name in [CLEAN, *known]} if known else faced


def _rivals(board: Board, pool: Pool, settings: Settings) -> Iterator[_Rival]:
    """Yields those that make sense for this detector's actions and what is known of attacks."""
    acts, seed = len(pool.table.actions) > 1, settings.seed
    if acts and not board.name:
        yield _Rival(
            lambda _: RandomAction(seed), _NOTES["random"], "control", fitted=False, ranked=False
        )
    cut = f"Only moves the threshold, chosen on the split {settings.selection_split!r}."
    yield _Rival(lambda part: MovedThreshold(choose_threshold([part.table])), cut, fitted=False)
    if acts:
        yield _Rival(lambda _: AverageActions(), _NOTES["average"], fitted=False)
    if acts and settings.rivals and pool.both_classes:
        yield from _learning(board, pool, seed)
    if settings.rivals and not board.name:
        yield _Rival(_commoner, _NOTES["constant"], "control", fitted=False, ranked=False)
    if acts:
        yield _Rival(lambda _: Oracle(), _NOTES["oracle"], "bound", fitted=False, ranked=False)


def _learning(board: Board, pool: Pool, seed: int) -> Iterator[_Rival]:
    size = pool.table.faces.size
    if pool.attacked.any():
        spectrum = Remembered(Spectrum())
        yield _Rival(lambda part: Router.fit(part, spectrum), _NOTES["router"])
    yield _Rival(Stacking.fit, _NOTES["stacking"])
    yield _Rival(GreedySearch.fit, _NOTES["greedy"])
    sees, said = _state(board, size)
    yield _Rival(lambda part: networks.top_k(part, sees, seed), _NOTES["top-k"] + said)
    yield _Rival(
        lambda part: networks.DirectDetector.fit(part, sees, seed), _NOTES["direct"] + said
    )
    yield _Rival(lambda part: networks.best_of_logit(part, seed), _NOTES["logit"], "control")
    yield _Rival(
        lambda part: networks.shuffled_reward(part, sees, seed),
        _NOTES["shuffled"] + said,
        "control",
        ranked=False,
    )


def _state(board: Board, size: int) -> tuple[StateEncoder, str]:
    """Returns what networks see beside the agents of a detector, and what must be said of it."""
    encoder = board.encoder or Spectrum()
    if encoder.size(size) <= MOST:
        kept = encoder if isinstance(encoder, Remembered) else Remembered(encoder)
        return kept, ""
    # The paper's flat image: more weights than the selection split has pixels to teach them.
    return Remembered(Thumbnail(16)), f" It sees a thumbnail in place of {encoder.name}."


def _commoner(pool: Pool) -> Constant:
    return Constant(int(2 * pool.table.labels.sum() > len(pool.table.labels)))


def _held_out_score(rival: _Rival, pool: Pool, seed: int) -> float:
    """Mean balanced accuracy on halves of the groups, each judged after fitting to the other."""
    if not rival.fitted:
        return _reached(rival.fit(pool), pool)
    one, other = hold_out(pool.table.faces.groups, 1 / _FOLDS, seed=seed, purpose="rivals")
    halves = (pool.rows(one), pool.rows(other))
    if not all(half.both_classes for half in halves):  # too few groups
        return _reached(rival.fit(pool), pool)
    return float(
        np.mean(
            [_reached(rival.fit(halves[0]), halves[1]), _reached(rival.fit(halves[1]), halves[0])]
        )
    )


def _reached(defense: Defense, pool: Pool) -> float:
    return float(balanced(defense.judge(pool.table).fake, pool.table.labels))


def _contender(
    board: Board,
    defense: Defense,
    note: str,
    *,
    role: Role = "baseline",
    fitted: bool = False,
    name: str = "",
) -> Contender:
    entry = DefenseEntry(
        name=name or _name(board, defense.name),
        role=role,
        note=note,
        detector=board.name,
        fitted=fitted,
    )
    return Contender(entry, (Member(defense, board.faceds),))


def _name(board: Board, name: str) -> str:
    if board.name and name == UNDEFENDED:
        return board.alone or UNDEFENDED
    return f"{name} ({board.name})" if board.name else name
