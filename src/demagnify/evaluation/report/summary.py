"""Every row of the grid in one table, and who beats whom."""

from __future__ import annotations

from typing import Final

import numpy as np

from demagnify.evaluation.report.story import Focus, mean_gain
from demagnify.evaluation.report.table import Entry, Table, change, rate
from demagnify.evaluation.report.tables import attacks_of, population
from demagnify.evaluation.report.words import (
    NOTHING,
    attack_name,
    count,
    defense_name,
    percent,
    sign,
)
from demagnify.evaluation.result import ADAPTIVE, Estimate, EvaluationResult, Role
from demagnify.laundering.conditions import CLEAN

_ROLES: Final[dict[Role, str]] = {
    "undefended": "",
    "detector": "another detector",
    "baseline": "rival",
    "control": "control",
    "bound": "bound",
    "learned": "learned",
}
_VERDICTS: Final = {1: "wins", 0: "undecided", -1: "loses"}


def summary_table(result: EvaluationResult) -> Table:
    """What every defence reaches: clean, over the unseen attacks, at worst, and at which cost."""
    focus = Focus(result)
    attacks = [name for name in attacks_of(result, focus.split) if name not in (CLEAN, ADAPTIVE)]
    head = [
        "Defence",
        "Clean",
        f"Mean of {count(len(focus.attacks), _what(focus))}",
        "Worst attack",
    ]
    adaptive = ADAPTIVE in attacks_of(result, focus.split)
    head += ["Adaptive"] if adaptive else []
    rows = []
    for entry in result.defenses:
        what = _ROLES[entry.role] + (f", {entry.seeds} seeds" if entry.seeds > 1 else "")
        row = [Entry(defense_name(entry.name), what), _balanced(result, focus, CLEAN, entry.name)]
        row.append(Entry(percent(_mean(result, focus, entry.name))))
        row.append(_worst(result, focus, attacks, entry.name))
        row += [_balanced(result, focus, ADAPTIVE, entry.name)] if adaptive else []
        row += [_passes(result, focus, entry.name), _cost(result, focus, entry.name)]
        rows.append(tuple(row))
    return Table(
        name="summary",
        caption=f"Every row: balanced accuracy in %, {population(result, focus.split)}.",
        head=(*head, "Passes per face", "Time"),
        rows=tuple(rows),
        notes=(
            "Passes: how often the detector is asked about a face, on average over the columns. "
            "Time: with the actions, in passes of the base detector, measured once in this run.",
        ),
    )


def wins_table(result: EvaluationResult) -> Table | None:
    """Each learned defence against every rival, in words; None if nothing was learned."""
    focus = Focus(result)
    learned = result.of_role("learned")
    rows = []
    for rival in result.defenses:
        gains = [mean_gain(result, focus, defense, rival.name) for defense in learned]
        if any(gain is not None for gain in gains):
            name = Entry(defense_name(rival.name), _ROLES[rival.role])
            rows.append((name, *(Entry("") if gain is None else _won(gain) for gain in gains)))
    if not rows:
        return None
    return Table(
        name="wins",
        caption="Who wins: gain over each rival in balanced accuracy in points, mean over "
        f"{count(len(focus.attacks), _what(focus))}, {population(result, focus.split)}.",
        head=("Against", *learned),
        rows=tuple(rows),
        notes=(
            "Wins or loses: the whole interval lies on one side of nought; else undecided. These "
            "intervals are not corrected for how many they are.",
        ),
    )


def _won(gain: Estimate) -> Entry:
    entry = change(gain)
    return Entry(f"{entry.value} {_VERDICTS[sign(gain)]}", entry.span, entry.tone, entry.reason)


def _what(focus: Focus) -> str:
    return "unseen attack" if focus.some_seen and not focus.all_seen else "attack"


def _balanced(result: EvaluationResult, focus: Focus, attack: str, defense: str) -> Entry:
    return rate(result.cell(focus.split, attack, defense).metrics["balanced_accuracy"])


def _value(result: EvaluationResult, focus: Focus, attack: str, defense: str) -> float | None:
    return result.cell(focus.split, attack, defense).metrics["balanced_accuracy"].value


def _mean(result: EvaluationResult, focus: Focus, defense: str) -> float | None:
    found = [_value(result, focus, attack, defense) for attack in focus.attacks]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _worst(result: EvaluationResult, focus: Focus, attacks: list[str], defense: str) -> Entry:
    found = [(_value(result, focus, attack, defense), attack) for attack in attacks]
    known = [(value, attack) for value, attack in found if value is not None]
    if not known:
        return Entry(NOTHING)
    value, attack = min(known)
    return Entry(percent(value), attack_name(attack))


def _passes(result: EvaluationResult, focus: Focus, defense: str) -> Entry:
    found = [
        cell.passes
        for cell in result.cells
        if (cell.split, cell.defense) == (focus.split, defense) and cell.passes is not None
    ]
    return Entry(f"{np.mean(found):.2f}" if found else NOTHING)


def _cost(result: EvaluationResult, focus: Focus, defense: str) -> Entry:
    """Passes and the actions taken; nothing where it is not known which were."""
    costs = result.context.costs
    totals = []
    for taken in result.action_counts:
        if (taken.split, taken.defense) != (focus.split, defense):
            continue
        names = taken.actions or result.actions
        cell = result.cell(focus.split, taken.attack, defense)
        if cell.passes is None or not set(names) <= set(costs):
            return Entry(NOTHING)
        numbers = np.add(taken.real, taken.fake)
        shares = numbers / numbers.sum()
        totals.append(cell.passes + float(shares @ [costs[name] for name in names]))
    return Entry(f"{np.mean(totals):.2f}" if totals else NOTHING)
