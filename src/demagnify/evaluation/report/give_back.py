"""What is won back of each attack's damage, and what it costs: defences by attacks."""

from __future__ import annotations

from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.table import Entry, Table, change, rate
from demagnify.evaluation.report.tables import (
    attacks_of,
    column_name,
    main_defenses,
    population,
)
from demagnify.evaluation.report.words import attack_name
from demagnify.evaluation.result import UNDEFENDED, EvaluationResult
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
