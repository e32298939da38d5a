"""Tables of recovered shares, false alarms, abstention, all rows, pairwise comparisons."""

from __future__ import annotations

from typing import Final

import numpy as np

from demagnify.core.printing import count
from demagnify.evaluation.metrics import MetricName
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.tables import (
    Entry,
    Table,
    change,
    column_name,
    grid_tables,
    main_methods,
    main_table,
    paired_table,
    paper_tables,
    population,
    quality_table,
    rate,
)
from demagnify.evaluation.results import ADAPTIVE, UNDEFENDED, Cell, EvaluationResult, Role
from demagnify.evaluation.words import (
    NOTHING,
    condition_name,
    known_share,
    method_name,
    percent,
    sign,
)
from demagnify.laundering.config import CLEAN


def recovery_table(result: EvaluationResult) -> Table | None:
    """Recovered share of each attack's damage, and the clean cost; None without attacks."""
    focus = Focus(result)
    conditions, shown = _attacks(focus), _shown(result)
    if not conditions or not shown:
        return None
    first = [focus.recovery(condition, shown[0]) for condition in conditions]
    damage = (
        Entry("Damage", "points, no defence"),
        *(change(one.damage, better=0) for one in first),
        Entry(""),
    )
    rows = [damage]
    for method in shown:
        found = [focus.recovery(condition, method) for condition in conditions]
        shares = (rate(known_share(one.share)) for one in found)
        rows.append((Entry(column_name(result, method)), *shares, change(found[0].clean_cost)))
    return Table(
        name="recovered",
        caption=f"Recovered share of the damage in %, {population(result, focus.split)}.",
        head=("Method", *map(condition_name, conditions), "Clean change (points)"),
        rows=tuple(rows),
        notes=(
            "Recovered: gain under attack divided by the damage, in balanced accuracy; 100 % means "
            "as good as clean and undefended, an attack that is worth nothing.",
            "Clean change: what the defence does to faces that nobody attacked.",
        ),
    )


def threshold_table(result: EvaluationResult) -> Table | None:
    """What of the damage is the threshold's place; None where it was not measured."""
    focus = Focus(result)
    conditions, shown = focus.here, main_methods(result)
    cells = [[focus.cell(condition, method) for condition in conditions] for method in shown]
    if any("best_balanced_accuracy" not in cell.metrics for row in cells for cell in row):
        return None
    kinds: dict[MetricName, str] = {"auc": "AUC", "best_balanced_accuracy": "best threshold"}
    rows = [
        (Entry(column_name(result, method), kind), *(rate(cell.metrics[name]) for cell in row))
        for method, row in zip(shown, cells, strict=True)
        for name, kind in kinds.items()
    ]
    return Table(
        name="thresholds",
        caption="Whatever the threshold: AUC, and balanced accuracy at the best threshold for "
        f"these very faces, in %, {population(result, focus.split)}.",
        head=("Method", *map(condition_name, conditions)),
        rows=tuple(rows),
        notes=(
            "What the best threshold has above the balanced accuracy of the first table is a loss "
            "by the threshold alone, not by the detector. No one can choose it beforehand.",
        ),
    )


def alarm_table(result: EvaluationResult) -> Table | None:
    """False alarms above those of no defence on clean faces; None without attacks."""
    focus = Focus(result)
    conditions, shown = _attacks(focus), _shown(result)
    if not conditions or not shown:
        return None
    clean = focus.cell(CLEAN).metrics["fpr"]
    alone = [focus.cell(condition).metrics["fpr"] for condition in conditions]
    rows = [(Entry("No defence", "FPR in %"), rate(clean), *map(rate, alone))]
    for method in shown:
        found = [focus.recovery(condition, method) for condition in conditions]
        unharmed = focus.comparison(CLEAN, method).metrics["fpr"]
        changes = (
            Entry("") if one.fpr_over_clean is None else change(one.fpr_over_clean, better=-1)
            for one in found
        )
        rows.append((Entry(column_name(result, method)), change(unharmed, better=-1), *changes))
    return Table(
        name="alarms",
        caption="False alarms: FPR in points above that of no defence on clean faces, "
        f"{population(result, focus.split)}.",
        head=("Method", "clean", *map(condition_name, conditions)),
        rows=tuple(rows),
    )


def _attacks(focus: Focus) -> list[str]:
    return [condition for condition in focus.here if condition != CLEAN]


def _shown(result: EvaluationResult) -> list[str]:
    skipped = (UNDEFENDED, *result.of_role("bound"))
    return [name for name in main_methods(result) if name not in skipped]


_ROLES: Final[dict[Role, str]] = {
    "undefended": "",
    "detector": "another detector",
    "baseline": "baseline",
    "control": "control",
    "bound": "bound",
    "learned": "learned",
}
_VERDICTS: Final = {1: "better", 0: "undecided", -1: "worse"}


def summary_table(result: EvaluationResult) -> Table:
    """What every defence reaches: clean, over the unseen attacks, at worst, and at which cost."""
    focus = Focus(result)
    conditions = [name for name in focus.here if name not in (CLEAN, ADAPTIVE)]
    head = [
        "Method",
        "Clean",
        f"Mean of {count(len(focus.conditions), _what(focus))}",
        "Worst attack",
    ]
    adaptive = ADAPTIVE in focus.here
    head += ["Adaptive"] if adaptive else []
    rows = []
    for entry in result.methods:
        what = _ROLES[entry.role] + (f", {entry.seeds} seeds" if entry.seeds > 1 else "")
        row = [Entry(method_name(entry.name), what), rate(focus.balanced(CLEAN, entry.name))]
        row.append(Entry(percent(_mean(focus, entry.name))))
        row.append(_worst(focus, conditions, entry.name))
        row += [rate(focus.balanced(ADAPTIVE, entry.name))] if adaptive else []
        row += [_passes(focus, entry.name), _cost(focus, entry.name)]
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


def pairwise_table(result: EvaluationResult) -> Table | None:
    """Each learned defence against every baseline; None if nothing was learned."""
    focus = Focus(result)
    learned = result.of_role("learned")
    rows = []
    for baseline in result.methods:
        gains = [focus.mean_gain(method, baseline.name) for method in learned]
        if any(gain is not None for gain in gains):
            name = Entry(method_name(baseline.name), _ROLES[baseline.role])
            rows.append((name, *(Entry("") if gain is None else _won(gain) for gain in gains)))
    if not rows:
        return None
    return Table(
        name="pairwise",
        caption="Pairwise: gain over each method in balanced accuracy in points, mean over "
        f"{count(len(focus.conditions), _what(focus))}, {population(result, focus.split)}.",
        head=("Against", *learned),
        rows=tuple(rows),
        notes=(
            "Better or worse: the whole interval lies on one side of zero; else undecided. These "
            "intervals are not corrected for how many they are.",
        ),
    )


def _won(gain: Estimate) -> Entry:
    entry = change(gain)
    return Entry(f"{entry.value} {_VERDICTS[sign(gain)]}", entry.span, entry.tone, entry.reason)


def _what(focus: Focus) -> str:
    return "unseen attack" if focus.some_seen and not focus.all_seen else "attack"


def _mean(focus: Focus, method: str) -> float | None:
    found = [focus.balanced(condition, method).value for condition in focus.conditions]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _worst(focus: Focus, conditions: list[str], method: str) -> Entry:
    found = [(focus.balanced(one, method).value, one) for one in conditions]
    known = [(value, condition) for value, condition in found if value is not None]
    if not known:
        return Entry(NOTHING)
    value, condition = min(known)
    return Entry(percent(value), condition_name(condition))


def _passes(focus: Focus, method: str) -> Entry:
    found = [
        cell.passes
        for cell in focus.result.cells
        if (cell.split, cell.method) == (focus.split, method) and cell.passes is not None
    ]
    return Entry(f"{np.mean(found):.2f}" if found else NOTHING)


def _cost(focus: Focus, method: str) -> Entry:
    """Passes and the actions taken; nothing where it is not known which were."""
    costs = focus.result.context.costs
    totals = []
    for taken in focus.result.action_counts:
        if (taken.split, taken.method) != (focus.split, method):
            continue
        names = taken.actions or focus.result.actions
        cell = focus.cell(taken.condition, method)
        if cell.passes is None or not set(names) <= set(costs):
            return Entry(NOTHING)
        numbers = np.add(taken.real, taken.fake)
        shares = numbers / numbers.sum()
        totals.append(cell.passes + float(shares @ [costs[name] for name in names]))
    return Entry(f"{np.mean(totals):.2f}" if totals else NOTHING)


def abstention_table(result: EvaluationResult) -> Table | None:
    """Coverage and risk under each attack; None if every verdict is given."""
    focus = Focus(result)
    found = abstaining_cells(focus)
    if not found:
        return None
    return Table(
        name="abstention",
        caption=f"Abstention, in %, {population(result, focus.split)}.",
        head=(
            "Attack",
            "Method",
            "Verdicts given",
            "Of these wrong",
            "Of the rejected wrong",
            "Mean risk (AURC)",
        ),
        rows=tuple(
            (
                Entry(condition_name(cell.condition)),
                Entry(cell.method),
                *(
                    Entry(percent(value))
                    for value in (
                        abstention.coverage,
                        abstention.risk,
                        abstention.rejected_risk,
                        abstention.aurc,
                    )
                ),
            )
            for cell in found
            if (abstention := cell.abstention) is not None
        ),
        notes=(
            "Every other table counts the verdict that would have been given.",
            "AURC: the mean share of wrong verdicts over all coverages; lower is better.",
        ),
        words=2,
    )


def abstaining_cells(focus: Focus) -> list[Cell]:
    """Returns the cells of the focus's split in which a method may abstain."""
    found = [
        cell
        for cell in focus.result.cells
        if cell.split == focus.split and cell.abstention is not None
    ]
    return sorted(found, key=lambda cell: (cell.method, focus.here.index(cell.condition)))


def all_tables(result: EvaluationResult) -> list[Table]:
    """Returns the report's tables: the main one, the paper's, what was recovered, all figures."""
    optional = (
        recovery_table(result),
        threshold_table(result),
        alarm_table(result),
        abstention_table(result),
        summary_table(result),
        pairwise_table(result),
        paired_table(result),
        quality_table(result),
    )
    return [
        main_table(result),
        *paper_tables(result),
        *(table for table in optional if table is not None),
        *grid_tables(result),
    ]
