"""The baselines beside the learned methods, and which of them is best.

Whatever must be chosen or fitted is chosen on the faces of the selection split, clean and under the
attacks that the learned methods saw, so that no baseline knows more than the learner. Where no
attack was seen, clean faces alone choose: never an unseen attack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from demagnify.agents.predictors import Predictor
from demagnify.agents.states import Spectrum, StateEncoder, Thumbnail
from demagnify.data.subsample import hold_out
from demagnify.detectors.threshold import choose_threshold
from demagnify.evaluation.baselines import networks
from demagnify.evaluation.baselines.cached_state import MOST, CachedState
from demagnify.evaluation.baselines.fitted import GreedySearch, Router, Stacking
from demagnify.evaluation.baselines.pool import Pool
from demagnify.evaluation.baselines.simple import (
    AverageActions,
    Constant,
    FixedTransform,
    MovedThreshold,
    Oracle,
    RandomAction,
    balanced,
    choose_action,
)
from demagnify.evaluation.methods import DetectorTables, Method, MethodSeed
from demagnify.evaluation.results import UNDEFENDED, MethodEntry, Role, Settings
from demagnify.laundering.config import CLEAN
from demagnify.scores import LogitTable

_FOLDS: Final = 2

_FIXED: Final = "Applies the same correction to every face."
_NOTES: Final = {
    "undefended": "The detector alone, which is also the identity for every face.",
    "detector": "This detector alone, without an agent.",
    "random": "Draws each face's action at random.",
    "oracle": "Takes the best action knowing the label.",
    "average": "Averages the logits over all actions (test-time augmentation).",
    "router": "A probe of the spectrum finds attacked faces; they and the others each get the best "
    "action and threshold.",
    "stacking": "A logistic regression on the logits after all actions.",
    "greedy": "Averages the probabilities after a few actions, added one by one by the calibrated "
    "log-likelihood (Molchanov et al., 2020).",
    "top-k": "Averages the logits after the three actions that a network values most (Nadimpalli & "
    "Rattani, 2022).",
    "direct": "The agent's network and state trained as a classifier of real and fake.",
    "logit": "Control p(1 - p): an agent whose state is the detector's logit alone.",
    "shuffled": "Control: the agent's network and state, trained on the rewards of other faces.",
    "constant": "Control: the same verdict for every face, the commoner label.",
}


@dataclass(frozen=True, slots=True)
class Baselines:
    """The baselines of one detector.

    Attributes:
        rows: The methods, the detector alone first.
        fixed: The names of those that apply one correction to every face.
        best_fixed: The best of these; may be the detector alone.
        retuned: The one that only moves the threshold.
        ranked: The others that could be used, with the balanced accuracy that each reached on
            faces of the selection split to which it was not fitted.
    """

    rows: tuple[Method, ...]
    fixed: tuple[str, ...]
    best_fixed: str
    retuned: str
    ranked: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Baseline:
    """How a row is made."""

    fit: Callable[[Pool], Predictor]
    note: str
    role: Role = "baseline"
    fitted: bool = True
    ranked: bool = True


def choose_baselines(
    detector: DetectorTables, *, seen: Sequence[str], settings: Settings
) -> Baselines:
    """Makes the baselines of one detector; fits and chooses on its selection split.

    Nothing is chosen under attacks that are not among `seen`, which the learned methods saw.
    """
    split = settings.selection_split
    known = _seen_only(detector.tables[split], seen)
    pool, tables = Pool.of(known), list(known.values())
    fixed = [FixedTransform(*pair) for pair in enumerate(tables[0].transforms.names)]
    best = fixed[choose_action(tables)]
    rows = _detector_row(detector, fixed[0])
    ranked = {row.name: _reached(fixed[0], pool) for row in rows if detector.name}
    for one in fixed[1:]:
        chosen = f" The best fixed correction, chosen on the split {split!r}."
        rows.append(_row(detector, one, _FIXED + chosen * (one is best)))
    always = tuple(row.name for row in rows[len(rows) - len(fixed) + 1 :])
    for baseline in _baselines(detector, pool, settings):
        note = baseline.note + f" Fitted to the split {split!r}." * baseline.fitted
        defense = baseline.fit(pool)
        row = _row(detector, defense, note, role=baseline.role, fitted=baseline.fitted)
        rows.append(row)
        if baseline.ranked:
            ranked[row.name] = _held_out_score(baseline, pool, settings.seed)
    return Baselines(
        rows=tuple(rows),
        fixed=always,
        best_fixed=_name(detector, best.name),
        retuned=_name(detector, MovedThreshold.name),
        ranked=ranked,
    )


def best_baseline(baselines: Sequence[Baselines]) -> str:
    """Returns the best of all that is neither learned nor one fixed action; "" if there is none.

    It is the one with the best balanced accuracy on faces of the selection split to which it was
    not fitted.
    """
    ranked = {name: score for one in baselines for name, score in one.ranked.items()}
    return max(ranked, key=ranked.__getitem__, default="")


def _detector_row(detector: DetectorTables, identity: FixedTransform) -> list[Method]:
    """The detector without an agent, unless another row shows it."""
    if not detector.name:
        return [_row(detector, identity, _NOTES["undefended"], role="undefended")]
    if not detector.alone:
        return []
    return [_row(detector, identity, _NOTES["detector"], role="detector", name=detector.alone)]


def _seen_only(tables: Mapping[str, LogitTable], seen: Sequence[str]) -> Mapping[str, LogitTable]:
    return {name: table for name, table in tables.items() if name == CLEAN or name in seen}


def _baselines(detector: DetectorTables, pool: Pool, settings: Settings) -> Iterator[_Baseline]:
    """Yields those that make sense for this detector's actions and the seen attacks."""
    acts, seed = len(pool.table.transforms) > 1, settings.seed
    base, fits = not detector.name, settings.fit_baselines
    if acts and base:
        yield _Baseline(
            lambda _: RandomAction(seed), _NOTES["random"], "control", fitted=False, ranked=False
        )
    cut = f"Only moves the threshold, chosen on the split {settings.selection_split!r}."
    yield _Baseline(_retuned, cut, fitted=False)
    if acts:
        yield _Baseline(lambda _: AverageActions(), _NOTES["average"], fitted=False)
    if acts and fits and pool.both_classes:
        yield from _learning(detector, pool, seed)
    if fits and base:
        yield _Baseline(_commoner, _NOTES["constant"], "control", fitted=False, ranked=False)
    if acts:
        yield _Baseline(lambda _: Oracle(), _NOTES["oracle"], "bound", fitted=False, ranked=False)


def _learning(detector: DetectorTables, pool: Pool, seed: int) -> Iterator[_Baseline]:
    if pool.attacked.any():
        spectrum = CachedState(Spectrum())
        yield _Baseline(lambda part: Router.fit(part, spectrum), _NOTES["router"])
    yield _Baseline(Stacking.fit, _NOTES["stacking"])
    yield _Baseline(GreedySearch.fit, _NOTES["greedy"])
    state, note = _state(detector, pool.table.faces.size)
    yield _Baseline(lambda part: networks.top_k(part, state, seed), _NOTES["top-k"] + note)
    yield _Baseline(
        lambda part: networks.DirectDetector.fit(part, state, seed), _NOTES["direct"] + note
    )
    yield _Baseline(lambda part: networks.best_of_logit(part, seed), _NOTES["logit"], "control")
    yield _Baseline(
        lambda part: networks.shuffled_reward(part, state, seed),
        _NOTES["shuffled"] + note,
        "control",
        ranked=False,
    )


def _state(detector: DetectorTables, size: int) -> tuple[StateEncoder, str]:
    """The state of the baselines' networks beside a detector's agents, and a note about it."""
    encoder = detector.encoder or Spectrum()
    if encoder.size(size) <= MOST:
        return encoder if isinstance(encoder, CachedState) else CachedState(encoder), ""
    # The paper's flat image: more weights than the selection split has pixels to train them.
    return CachedState(Thumbnail(16)), f" Its state is a thumbnail in place of {encoder.name}."


def _retuned(pool: Pool) -> MovedThreshold:
    """The best threshold for unchanged faces; of equals the one nearest to the detector's own."""
    table = pool.table
    chosen = choose_threshold((table.labels, table.logits[:, 0]), near=table.threshold)
    return MovedThreshold(chosen.threshold)


def _commoner(pool: Pool) -> Constant:
    return Constant(int(2 * pool.table.labels.sum() > len(pool.table.labels)))


def _held_out_score(baseline: _Baseline, pool: Pool, seed: int) -> float:
    """Mean balanced accuracy on halves of the groups, each evaluated after fitting to the other."""
    if baseline.fitted:
        one, other = hold_out(pool.table.faces.groups, 1 / _FOLDS, seed=seed, purpose="rivals")
        halves = (pool.rows(one), pool.rows(other))
        if all(half.both_classes for half in halves):  # else there are too few groups
            pairs = (halves, halves[::-1])
            return float(np.mean([_reached(baseline.fit(fit), rest) for fit, rest in pairs]))
    return _reached(baseline.fit(pool), pool)


def _reached(defense: Predictor, pool: Pool) -> float:
    return float(balanced(defense.predict(pool.table).fake, pool.table.labels))


def _row(
    detector: DetectorTables,
    defense: Predictor,
    note: str,
    *,
    role: Role = "baseline",
    fitted: bool = False,
    name: str = "",
) -> Method:
    entry = MethodEntry(
        name=name or _name(detector, defense.name),
        role=role,
        note=note,
        detector=detector.name,
        fitted=fitted,
    )
    return Method(entry, (MethodSeed(defense, detector.tables),))


def _name(detector: DetectorTables, name: str) -> str:
    if detector.name and name == UNDEFENDED:
        return detector.alone or UNDEFENDED
    return f"{name} ({detector.name})" if detector.name else name
