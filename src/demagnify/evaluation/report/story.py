"""What happened, in a headline and a few sentences that follow from the figures alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from demagnify.core.printing import count, listed
from demagnify.evaluation.document import worst_attack
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    Cell,
    ConditionEntry,
    EvaluationResult,
)
from demagnify.evaluation.words import (
    known_share,
    method_name,
    percent,
    point_span,
    points,
    sign,
    span,
    split_name,
    with_span,
)
from demagnify.laundering.config import CLEAN

_FEW_BASELINES: Final = 3
_NAMED: Final = 4

Tone = Literal["gain", "even", "harm", "none"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the first screen."""

    label: str
    value: str
    span: str
    note: str


@dataclass(frozen=True, slots=True)
class Story:
    """The first screen's words.

    Attributes:
        headline: The outcome in one sentence.
        tone: Whether the defence gains, harms, or neither can be told.
        sentences: What happened, with figures.
        tiles: Balanced accuracy clean, under attack, defended.
    """

    headline: str
    tone: Tone
    sentences: tuple[str, ...]
    tiles: tuple[Tile, ...]


class Focus:
    """What the report speaks about first.

    Attributes:
        split: The unseen split ("test" where there is one, else the last).
        attack: The attack that hurts the undefended detector most there; "none" without attacks.
        attacks: The attacks that the means are over: the unseen ones where there are any, those
            without a network among them, and never the adaptive one.
        defense: The first learned defence; else the first other detector; None without either.
    """

    def __init__(self, result: EvaluationResult) -> None:
        names = [split.name for split in result.splits]
        self.split = "test" if "test" in names else names[-1]
        self.condition = worst_attack(result, self.split)
        evaluated = [entry for entry in result.conditions if entry.name not in (CLEAN, ADAPTIVE)]
        here = {cell.condition for cell in result.cells if cell.split == self.split}
        evaluated = [entry for entry in evaluated if entry.name in here]
        unseen = [entry for entry in evaluated if entry.familiarity in ("unseen", "control")]
        self.some_seen = len(unseen) < len(evaluated)
        self.conditions = _names(unseen) or _names(evaluated)
        self.all_seen = bool(evaluated) and not unseen
        learned = (*result.of_role("learned"), *result.of_role("detector"))
        self.method = learned[0] if learned else None


def _names(entries: list[ConditionEntry]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries)


def story_of(result: EvaluationResult) -> Story:
    """Returns the story of `result`: honest where nothing was gained or nothing can be told."""
    focus = Focus(result)
    tone = _tone(result, focus)
    return Story(
        headline=_headline(result, focus, tone),
        tone=tone,
        sentences=tuple(filter(None, _sentences(result, focus))),
        tiles=tuple(_tiles(result, focus)),
    )


def mean_gain(
    result: EvaluationResult, focus: Focus, method: str, reference: str, *, net: bool = False
) -> Estimate | None:
    """Returns the gain over `reference`, mean over the focus's conditions; None if unknown.

    With `net`, less the change on clean faces.
    """
    for gain in result.mean_gains:
        key = (gain.split, set(gain.conditions), gain.method, gain.reference)
        if key == (focus.split, set(focus.conditions), method, reference):
            return gain.net if net else gain.gain
    return None


def _tone(result: EvaluationResult, focus: Focus) -> Tone:
    if focus.method is None or focus.condition == CLEAN:
        return "none"
    gain = mean_gain(result, focus, focus.method, UNDEFENDED)
    if gain is None or gain.value is None:
        return "none"
    tones: dict[int, Tone] = {1: "gain", 0: "even", -1: "harm"}
    return tones[sign(gain)]


def _headline(result: EvaluationResult, focus: Focus, tone: Tone) -> str:
    if focus.method is None:
        return "No learned defence was evaluated"
    if focus.condition == CLEAN:
        return "No attack was evaluated"
    gain = mean_gain(result, focus, focus.method, UNDEFENDED)
    if tone == "none" or gain is None or gain.value is None:
        return "Whether the defence helps cannot be told"
    if tone == "even":
        return "The defence brings no clear gain"
    size = percent(abs(gain.value))
    where = "under unseen attacks" if focus.some_seen and not focus.all_seen else "under attack"
    if tone == "harm":
        return f"The defence costs {size} points {where}"
    if not _beats(result, focus, focus.method, result.best_fixed):
        return f"The defence gains {size} points {where}, but no more than a fixed action does"
    if result.best_baseline and not _beats(result, focus, focus.method, result.best_baseline):
        best = result.best_baseline
        return (
            f"The defence gains {size} points {where}, but no more than the best baseline, {best}"
        )
    return f"The defence gains {size} points {where}"


def _beats(result: EvaluationResult, focus: Focus, method: str, baseline: str) -> bool:
    if baseline in (UNDEFENDED, method):
        return True
    gain = mean_gain(result, focus, method, baseline)
    return gain is not None and sign(gain) == 1


def _sentences(result: EvaluationResult, focus: Focus) -> Iterator[str]:
    yield _damage(result, focus)
    if focus.method is not None and focus.condition != CLEAN:
        yield _rescue(result, focus, focus.method)
        yield _beyond(result, focus, focus.method)
        yield _standing(result, focus, focus.method)
        yield _adaptive(result, focus, focus.method)


def _damage(result: EvaluationResult, focus: Focus) -> str:
    entry = result.split_entry(focus.split)
    clean = _balanced(result.cell(focus.split, CLEAN, UNDEFENDED))
    faces = f"{count(entry.n, 'face')} of the {split_name(focus.split)} split"
    if clean.value is None:
        return f"On the {faces} no balanced accuracy can be told: {clean.reason}."
    text = f"On the {faces}, the detector alone is right in {_rate(clean)} of clean faces"
    text += " (balanced accuracy)"
    if focus.condition == CLEAN:
        return f"{text}."
    attacked = _balanced(result.cell(focus.split, focus.condition, UNDEFENDED))
    if sign(_damage_of(result, focus)) < 1:
        return (
            f"{text}; even the worst attack, {focus.condition}, does no clear damage: "
            f"{_rate(attacked)}."
        )
    return f"{text}; the worst attack, {focus.condition}, brings it down to {_rate(attacked)}."


def _damage_of(result: EvaluationResult, focus: Focus) -> Estimate:
    for recovery in result.recoveries:
        if (recovery.split, recovery.condition) == (focus.split, focus.condition):
            return recovery.damage
    return Estimate(value=None, low=None, high=None, reason="not evaluated")


def _rescue(result: EvaluationResult, focus: Focus, method: str) -> str:
    comparison = result.comparison(focus.split, focus.condition, method, UNDEFENDED)
    change = comparison.metrics["balanced_accuracy"]
    if change.value is None:
        return ""
    defended = _balanced(result.cell(focus.split, focus.condition, method))
    verb = {1: "a gain of", 0: "no clear change,", -1: "a loss:"}[sign(change)]
    size = points(change.value).lstrip("+") if sign(change) == 1 else points(change.value)
    learned = method in result.of_role("learned")
    kind = "learned defence" if learned else "other detector"
    text = f"With the {kind} ({method}) it is {percent(defended.value)} %: "
    text += f"{verb} {size} points ({point_span(change)})"
    share = result.recovery(focus.split, focus.condition, method).share
    if sign(change) == 1 and known_share(share).value is not None:
        text += f", {percent(share.value)} % of the damage undone"
    return f"{text}."


def _beyond(result: EvaluationResult, focus: Focus, method: str) -> str:
    cost = result.comparison(focus.split, CLEAN, method, UNDEFENDED).metrics["balanced_accuracy"]
    parts = []
    if cost.value is not None:
        effect = {1: "gains", 0: "changes nothing clearly", -1: "costs"}[sign(cost)]
        parts.append(f"on clean faces it {effect}: {_change(cost)}")
    gain = mean_gain(result, focus, method, UNDEFENDED)
    if gain is not None and gain.value is not None and len(focus.conditions) > 1:
        which = "unseen attacks" if focus.some_seen and not focus.all_seen else "attacks"
        text = f"over the {len(focus.conditions)} {which} the mean change is {_change(gain)}"
        net = mean_gain(result, focus, method, UNDEFENDED, net=True)
        if net is not None and net.value is not None:
            text += f", net of the change on clean faces {_change(net)}"
        parts.append(text)
    for what, name in (("fixed action", result.best_fixed), ("baseline", result.best_baseline)):
        baseline = mean_gain(result, focus, method, name)
        if baseline is not None and baseline.value is not None and name != UNDEFENDED:
            outcome = {1: "beats", 0: "does not clearly beat", -1: "does worse than"}[
                sign(baseline)
            ]
            parts.append(f"it {outcome} the best {what} ({method_name(name)}): {_change(baseline)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _standing(result: EvaluationResult, focus: Focus, method: str) -> str:
    """How many baselines it beats, and which beat it."""
    roles = {entry.name: entry.role for entry in result.methods}
    baselines = [name for name, role in roles.items() if role in ("baseline", "detector")]
    gains = {name: mean_gain(result, focus, method, name) for name in baselines}
    known = {name: gain for name, gain in gains.items() if gain is not None}
    if len(known) < _FEW_BASELINES:
        return ""
    better = [method_name(name) for name, gain in known.items() if sign(gain) == -1]
    wins = sum(sign(gain) == 1 for gain in known.values())
    text = f"Of {len(known)} baselines it beats {wins}"
    if not better:
        return f"{text}; none is clearly better."
    named = listed(better[:_NAMED] + ["others"] * (len(better) > _NAMED))
    return f"{text}; clearly better {'is' if len(better) == 1 else 'are'} {named}."


def _adaptive(result: EvaluationResult, focus: Focus, method: str) -> str:
    """The adaptive attacker against the defence and the detector alone."""
    cells = {(cell.split, cell.condition, cell.method): cell for cell in result.cells}
    alone = cells.get((focus.split, ADAPTIVE, UNDEFENDED))
    if alone is None:
        return ""
    clean = result.cell(focus.split, CLEAN, method)
    attacked = result.cell(focus.split, ADAPTIVE, method)
    before, after = _balanced(clean).value, _balanced(attacked).value
    bare = _balanced(result.cell(focus.split, CLEAN, UNDEFENDED)).value
    bare_after = _balanced(alone).value
    if before is None or after is None or bare is None or bare_after is None:
        return ""
    return (
        "An adaptive attacker, who takes the best attack for each face, brings the "
        f"defence from {percent(before)} to {percent(after)} % and the detector alone from "
        f"{percent(bare)} to {percent(bare_after)} %."
    )


def _tiles(result: EvaluationResult, focus: Focus) -> Iterator[Tile]:
    clean = _balanced(result.cell(focus.split, CLEAN, UNDEFENDED))
    yield Tile("Clean", percent(clean.value), span(clean), "detector alone, no attack")
    if focus.condition == CLEAN:
        return
    attacked = _balanced(result.cell(focus.split, focus.condition, UNDEFENDED))
    yield Tile("Under attack", percent(attacked.value), span(attacked), focus.condition)
    if focus.method is None:
        return
    defended = _balanced(result.cell(focus.split, focus.condition, focus.method))
    yield Tile("Defended", percent(defended.value), span(defended), f"{focus.method}, same attack")


def _balanced(cell: Cell) -> Estimate:
    return cell.metrics["balanced_accuracy"]


def _change(figure: Estimate) -> str:
    return f"{points(figure.value)} points ({point_span(figure)})"


def _rate(figure: Estimate) -> str:
    return (
        with_span(figure).replace(" (", " % (", 1) if span(figure) else f"{percent(figure.value)} %"
    )
