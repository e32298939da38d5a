"""What a defence that may say "unsure" withholds: a table and the curve of risk and coverage."""

from __future__ import annotations

from demagnify.evaluation.report import theme
from demagnify.evaluation.report.plot import Plot
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.table import Entry, Table
from demagnify.evaluation.report.tables import attacks_of, population
from demagnify.evaluation.report.words import attack_name, listed, percent, split_name
from demagnify.evaluation.result import Cell, EvaluationResult

_COLOURS = (theme.BLUE, theme.ORANGE, theme.GREEN, theme.PURPLE, theme.GREY)
_STYLES = ("-", "--", ":")


def unsure_table(result: EvaluationResult) -> Table | None:
    """Coverage and risk under each attack; None if every verdict is given."""
    focus = Focus(result)
    found = _cells(result, focus)
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


def risk_curves(result: EvaluationResult, focus: Focus) -> Plot | None:
    """Share of wrong verdicts against the share given; None if every verdict is given."""
    found = [cell for cell in _cells(result, focus) if cell.withheld and cell.withheld.curve]
    if not found:
        return None
    mine = [cell for cell in found if cell.defense == found[0].defense]
    figure = theme.new_figure(3.4)
    axes = figure.add_subplot()
    for number, cell in enumerate(mine):
        curve = cell.withheld.curve if cell.withheld else ()
        colour = _COLOURS[number % len(_COLOURS)]
        style = _STYLES[number // len(_COLOURS) % len(_STYLES)]
        given, wrong = ([100 * x for x in column] for column in zip(*curve, strict=True))
        axes.plot(given, wrong, style, color=colour, label=attack_name(cell.attack))
    axes.set_xlabel("Faces that get a verdict (%)")
    axes.set_ylabel("Wrong verdicts (%)")
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper left", ncols=2)
    ends = [
        f"{attack_name(cell.attack)} {percent(cell.withheld.risk)}"
        for cell in mine
        if cell.withheld
    ]
    return Plot(
        title="Risk and coverage",
        svg=theme.to_svg(figure),
        alt=f"Share of wrong verdicts among those given, in percent: {listed(ends)}.",
        caption=f"{found[0].defense}, {split_name(focus.split)} split; the most doubtful verdicts "
        "are withheld first.",
    )


def _cells(result: EvaluationResult, focus: Focus) -> list[Cell]:
    order = attacks_of(result, focus.split)
    found = [
        cell for cell in result.cells if cell.split == focus.split and cell.withheld is not None
    ]
    return sorted(found, key=lambda cell: (cell.defense, order.index(cell.attack)))
