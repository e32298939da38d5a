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
    Comparison,
    EvaluationResult,
    Recovery,
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
        result: The document.
        split: The unseen split ("test" where there is one, else the last).
        here: The conditions of this split in the order of the document, "none" included.
        condition: The attack that hurts the undefended detector most there; "none" without attacks.
        conditions: The attacks that the means are over: the unseen ones where there are any, those
            without a network among them, and never the adaptive one.
        method: The first learned defence; else the first other detector; None without either.
    """

    def __init__(self, result: EvaluationResult) -> None:
        self.result = result
        names = [split.name for split in result.splits]
        self.split = "test" if "test" in names else names[-1]
        self.here = conditions_of(result, self.split)
        self.condition = worst_attack(result, self.split)
        evaluated = [
            entry
            for entry in result.conditions
            if entry.name in self.here and entry.name not in (CLEAN, ADAPTIVE)
        ]
        unseen = [entry for entry in evaluated if entry.familiarity in ("unseen", "control")]
        self.some_seen = len(unseen) < len(evaluated)
        self.conditions = tuple(entry.name for entry in unseen or evaluated)
        self.all_seen = bool(evaluated) and not unseen
        learned = (*result.of_role("learned"), *result.of_role("detector"))
        self.method = learned[0] if learned else None

    def cell(self, condition: str, method: str = UNDEFENDED) -> Cell:
        """Returns a cell of the split; KeyError if it was not evaluated."""
        return self.result.cell(self.split, condition, method)

    def balanced(self, condition: str, method: str = UNDEFENDED) -> Estimate:
        """Returns the balanced accuracy of a cell."""
        return self.cell(condition, method).metrics["balanced_accuracy"]

    def comparison(self, condition: str, method: str) -> Comparison:
        """Returns a method minus the undefended detector; KeyError if not compared."""
        return self.result.comparison(self.split, condition, method, UNDEFENDED)

    def recovery(self, condition: str, method: str) -> Recovery:
        """Returns a method's recovery under an attack; KeyError if it was not evaluated."""
        return self.result.recovery(self.split, condition, method)

    def mean_gain(
        self, method: str, reference: str = UNDEFENDED, *, net: bool = False
    ) -> Estimate | None:
        """Returns the gain over `reference`, mean over `conditions`; None if unknown.

        With `net`, less the change on clean faces.
        """
        for gain in self.result.mean_gains:
            key = (gain.split, set(gain.conditions), gain.method, gain.reference)
            if key == (self.split, set(self.conditions), method, reference):
                return gain.net if net else gain.gain
        return None


def conditions_of(result: EvaluationResult, split: str) -> tuple[str, ...]:
    """Returns the conditions on a split in the order of the result, "none" included."""
    here = {cell.condition for cell in result.cells if cell.split == split}
    return tuple(condition.name for condition in result.conditions if condition.name in here)


def story_of(result: EvaluationResult) -> Story:
    """Returns the story of `result`: honest where nothing was gained or nothing can be told."""
    focus = Focus(result)
    tone = _tone(focus)
    return Story(
        headline=_headline(focus, tone),
        tone=tone,
        sentences=tuple(filter(None, _sentences(focus))),
        tiles=tuple(_tiles(focus)),
    )


def _tone(focus: Focus) -> Tone:
    if focus.method is None or focus.condition == CLEAN:
        return "none"
    gain = focus.mean_gain(focus.method)
    if gain is None or gain.value is None:
        return "none"
    tones: dict[int, Tone] = {1: "gain", 0: "even", -1: "harm"}
    return tones[sign(gain)]


def _headline(focus: Focus, tone: Tone) -> str:
    if focus.method is None:
        return "No learned defence was evaluated"
    if focus.condition == CLEAN:
        return "No attack was evaluated"
    gain = focus.mean_gain(focus.method)
    if tone == "none" or gain is None or gain.value is None:
        return "Whether the defence helps cannot be told"
    if tone == "even":
        return "The defence brings no clear gain"
    size = percent(abs(gain.value))
    where = "under unseen attacks" if focus.some_seen and not focus.all_seen else "under attack"
    if tone == "harm":
        return f"The defence costs {size} points {where}"
    if not _beats(focus, focus.method, focus.result.best_fixed):
        return f"The defence gains {size} points {where}, but no more than a fixed action does"
    if focus.result.best_baseline and not _beats(focus, focus.method, focus.result.best_baseline):
        best = focus.result.best_baseline
        return (
            f"The defence gains {size} points {where}, but no more than the best baseline, {best}"
        )
    return f"The defence gains {size} points {where}"


def _beats(focus: Focus, method: str, baseline: str) -> bool:
    if baseline in (UNDEFENDED, method):
        return True
    gain = focus.mean_gain(method, baseline)
    return gain is not None and sign(gain) == 1


def _sentences(focus: Focus) -> Iterator[str]:
    yield _damage(focus)
    if focus.method is not None and focus.condition != CLEAN:
        yield _rescue(focus, focus.method)
        yield _beyond(focus, focus.method)
        yield _standing(focus, focus.method)
        yield _adaptive(focus, focus.method)


def _damage(focus: Focus) -> str:
    entry = focus.result.split_entry(focus.split)
    clean = focus.balanced(CLEAN)
    faces = f"{count(entry.n, 'face')} of the {split_name(focus.split)} split"
    if clean.value is None:
        return f"On the {faces} no balanced accuracy can be told: {clean.reason}."
    text = f"On the {faces}, the detector alone is right in {_rate(clean)} of clean faces"
    text += " (balanced accuracy)"
    if focus.condition == CLEAN:
        return f"{text}."
    attacked = focus.balanced(focus.condition)
    if sign(_damage_of(focus)) < 1:
        return (
            f"{text}; even the worst attack, {focus.condition}, does no clear damage: "
            f"{_rate(attacked)}."
        )
    return f"{text}; the worst attack, {focus.condition}, brings it down to {_rate(attacked)}."


def _damage_of(focus: Focus) -> Estimate:
    for recovery in focus.result.recoveries:
        if (recovery.split, recovery.condition) == (focus.split, focus.condition):
            return recovery.damage
    return Estimate(value=None, low=None, high=None, reason="not evaluated")


def _rescue(focus: Focus, method: str) -> str:
    comparison = focus.comparison(focus.condition, method)
    change = comparison.metrics["balanced_accuracy"]
    if change.value is None:
        return ""
    defended = focus.balanced(focus.condition, method)
    verb = {1: "a gain of", 0: "no clear change,", -1: "a loss:"}[sign(change)]
    size = points(change.value).lstrip("+") if sign(change) == 1 else points(change.value)
    learned = method in focus.result.of_role("learned")
    kind = "learned defence" if learned else "other detector"
    text = f"With the {kind} ({method}) it is {percent(defended.value)} %: "
    text += f"{verb} {size} points ({point_span(change)})"
    share = focus.recovery(focus.condition, method).share
    if sign(change) == 1 and known_share(share).value is not None:
        text += f", {percent(share.value)} % of the damage undone"
    return f"{text}."


def _beyond(focus: Focus, method: str) -> str:
    cost = focus.comparison(CLEAN, method).metrics["balanced_accuracy"]
    parts = []
    if cost.value is not None:
        effect = {1: "gains", 0: "changes nothing clearly", -1: "costs"}[sign(cost)]
        parts.append(f"on clean faces it {effect}: {_change(cost)}")
    gain = focus.mean_gain(method)
    if gain is not None and gain.value is not None and len(focus.conditions) > 1:
        which = "unseen attacks" if focus.some_seen and not focus.all_seen else "attacks"
        text = f"over the {len(focus.conditions)} {which} the mean change is {_change(gain)}"
        net = focus.mean_gain(method, net=True)
        if net is not None and net.value is not None:
            text += f", net of the change on clean faces {_change(net)}"
        parts.append(text)
    best = {"fixed action": focus.result.best_fixed, "baseline": focus.result.best_baseline}
    for what, name in best.items():
        baseline = focus.mean_gain(method, name)
        if baseline is not None and baseline.value is not None and name != UNDEFENDED:
            outcome = {1: "beats", 0: "does not clearly beat", -1: "does worse than"}[
                sign(baseline)
            ]
            parts.append(f"it {outcome} the best {what} ({method_name(name)}): {_change(baseline)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _standing(focus: Focus, method: str) -> str:
    """How many baselines it beats, and which beat it."""
    roles = {entry.name: entry.role for entry in focus.result.methods}
    baselines = [name for name, role in roles.items() if role in ("baseline", "detector")]
    gains = {name: focus.mean_gain(method, name) for name in baselines}
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


def _adaptive(focus: Focus, method: str) -> str:
    """The adaptive attacker against the defence and the detector alone."""
    if ADAPTIVE not in focus.here:
        return ""
    before, after, bare, bare_after = (
        focus.balanced(condition, who).value
        for who in (method, UNDEFENDED)
        for condition in (CLEAN, ADAPTIVE)
    )
    if before is None or after is None or bare is None or bare_after is None:
        return ""
    return (
        "An adaptive attacker, who takes the best attack for each face, brings the "
        f"defence from {percent(before)} to {percent(after)} % and the detector alone from "
        f"{percent(bare)} to {percent(bare_after)} %."
    )


def _tiles(focus: Focus) -> Iterator[Tile]:
    clean = focus.balanced(CLEAN)
    yield Tile("Clean", percent(clean.value), span(clean), "detector alone, no attack")
    if focus.condition == CLEAN:
        return
    attacked = focus.balanced(focus.condition)
    yield Tile("Under attack", percent(attacked.value), span(attacked), focus.condition)
    if focus.method is None:
        return
    defended = focus.balanced(focus.condition, focus.method)
    yield Tile("Defended", percent(defended.value), span(defended), f"{focus.method}, same attack")


def _change(figure: Estimate) -> str:
    return f"{points(figure.value)} points ({point_span(figure)})"


def _rate(figure: Estimate) -> str:
    return (
        with_span(figure).replace(" (", " % (", 1) if span(figure) else f"{percent(figure.value)} %"
    )
