"""The report's summaries: recovered shares, false alarms, abstention, every row, who beats whom."""

from __future__ import annotations

from typing import Final

import numpy as np

from demagnify.evaluation.report.story import Focus, mean_gain
from demagnify.evaluation.report.tables import (
    Entry,
    Table,
    attacks_of,
    change,
    column_name,
    main_defenses,
    population,
    rate,
)
from demagnify.evaluation.report.words import (
    NOTHING,
    attack_name,
    count,
    defense_name,
    percent,
    sign,
)
from demagnify.evaluation.results import (
    ADAPTIVE,
    UNDEFENDED,
    Cell,
    Estimate,
    EvaluationResult,
    Role,
)
from demagnify.laundering.conditions import CLEAN


def recovery_table(result: EvaluationResult) -> Table | None:
    """Recovered share of each attack's damage, and the clean cost; None without attacks."""
    focus = Focus(result)
    attacks, shown = _attacks(result, focus), _shown(result)
    if not attacks or not shown:
        return None
    first = [result.recovery(focus.split, attack, shown[0]) for attack in attacks]
    damage = (
        Entry("Damage", "points, no defence"),
        *(change(one.damage, better=0) for one in first),
        Entry(""),
    )
    rows = [damage]
    for defense in shown:
        found = [result.recovery(focus.split, attack, defense) for attack in attacks]
        shares = (rate(one.share) for one in found)
        rows.append((Entry(column_name(result, defense)), *shares, change(found[0].clean_cost)))
    return Table(
        name="recovered",
        caption=f"Recovered share of the damage in %, {population(result, focus.split)}.",
        head=("Defence", *map(attack_name, attacks), "Clean change (points)"),
        rows=tuple(rows),
        notes=(
            "Recovered: gain under attack divided by the damage, in balanced accuracy; 100 % means "
            "as good as clean and undefended, an attack that is worth nothing.",
            "Clean change: what the defence does to faces that nobody attacked.",
        ),
    )


def alarm_table(result: EvaluationResult) -> Table | None:
    """False alarms above those of no defence on clean faces; None without attacks."""
    focus = Focus(result)
    attacks, shown = _attacks(result, focus), _shown(result)
    if not attacks or not shown:
        return None
    clean = result.cell(focus.split, CLEAN, UNDEFENDED).metrics["fpr"]
    alone = [result.cell(focus.split, attack, UNDEFENDED).metrics["fpr"] for attack in attacks]
    rows = [(Entry("No defence", "FPR in %"), rate(clean), *map(rate, alone))]
    for defense in shown:
        found = [result.recovery(focus.split, attack, defense) for attack in attacks]
        unharmed = result.comparison(focus.split, CLEAN, defense, UNDEFENDED).metrics["fpr"]
        changes = (
            Entry("") if one.fpr_over_clean is None else change(one.fpr_over_clean, better=-1)
            for one in found
        )
        rows.append((Entry(column_name(result, defense)), change(unharmed, better=-1), *changes))
    return Table(
        name="alarms",
        caption="False alarms: FPR in points above that of no defence on clean faces, "
        f"{population(result, focus.split)}.",
        head=("Defence", "clean", *map(attack_name, attacks)),
        rows=tuple(rows),
    )


def _attacks(result: EvaluationResult, focus: Focus) -> list[str]:
    return [attack for attack in attacks_of(result, focus.split) if attack != CLEAN]


def _shown(result: EvaluationResult) -> list[str]:
    skipped = (UNDEFENDED, *result.of_role("bound"))
    return [name for name in main_defenses(result) if name not in skipped]


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


def unsure_table(result: EvaluationResult) -> Table | None:
    """Coverage and risk under each attack; None if every verdict is given."""
    focus = Focus(result)
    found = abstaining_cells(result, focus)
    if not found:
        return None
    return Table(
        name="unsure",
        caption=f"Verdicts withheld, in %, {population(result, focus.split)}.",
        head=(
            "Attack",
            "Defence",
            "Verdicts given",
            "Of these wrong",
            "Of the withheld wrong",
            "Mean risk (AURC)",
        ),
        rows=tuple(
            (
                Entry(attack_name(cell.attack)),
                Entry(cell.defense),
                *(
                    Entry(percent(value))
                    for value in (
                        withheld.coverage,
                        withheld.risk,
                        withheld.withheld_risk,
                        withheld.aurc,
                    )
                ),
            )
            for cell in found
            if (withheld := cell.withheld) is not None
        ),
        notes=(
            "Every other table counts the verdict that would have been given.",
            "AURC: the mean share of wrong verdicts over all coverages; lower is better.",
        ),
    )


def abstaining_cells(result: EvaluationResult, focus: Focus) -> list[Cell]:
    """Returns the cells of the focus's split in which verdicts are withheld."""
    order = attacks_of(result, focus.split)
    found = [
        cell for cell in result.cells if cell.split == focus.split and cell.withheld is not None
    ]
    return sorted(found, key=lambda cell: (cell.defense, order.index(cell.attack)))
