"""The picture of what is won back: recovered share per attack and defence."""

from __future__ import annotations

from typing import Final

from demagnify.evaluation.report import theme
from demagnify.evaluation.report.plot import Plot
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.tables import attacks_of, column_name, main_defenses
from demagnify.evaluation.report.words import attack_name, listed, percent, split_name
from demagnify.evaluation.result import UNDEFENDED, EvaluationResult, Recovery
from demagnify.laundering.conditions import CLEAN

_MOST: Final = 150.0
"""Percent beyond which a share of little damage is cut off."""
_COLOURS: Final = {"learned": theme.BLUE, "detector": theme.PURPLE, "baseline": theme.GREY}
_SHADES: Final = (1.0, 0.7, 0.45, 0.25)


def recovered_shares(result: EvaluationResult, focus: Focus) -> Plot | None:
    """Bars with intervals; None if no attack has a share."""
    bounds = result.of_role("bound")
    shown = [name for name in main_defenses(result) if name not in (UNDEFENDED, *bounds)]
    attacks = [
        attack
        for attack in attacks_of(result, focus.split)
        if attack != CLEAN and _share(result, focus, attack, shown) is not None
    ]
    if not shown or not attacks:
        return None
    figure = theme.new_figure((0.2 * len(shown) + 0.14) * len(attacks) + 1.3)
    axes = figure.add_subplot()
    roles = {entry.name: entry.role for entry in result.defenses}
    height = 0.84 / len(shown)
    drawn: dict[str, int] = {}
    for number, defense in enumerate(shown):
        colour = _COLOURS.get(roles[defense], theme.GREY)
        shade = _SHADES[min(drawn.get(colour, 0), len(_SHADES) - 1)]
        drawn[colour] = drawn.get(colour, 0) + 1
        for place, attack in enumerate(attacks):
            row = place + (number - (len(shown) - 1) / 2) * height
            share = result.recovery(focus.split, attack, defense).share
            label = None if place else column_name(result, defense)
            value = 0.0 if share.value is None else 100 * share.value
            axes.barh(
                row, _cut(value), 0.86 * height, color=colour, alpha=shade, label=label, linewidth=0
            )
            if share.low is not None and share.high is not None:
                ends = (_cut(100 * share.low), _cut(100 * share.high))
                axes.hlines(row, *ends, color=theme.INK, linewidth=1)
    axes.axvline(0, color=theme.INK, linewidth=1)
    axes.axvline(100, color=theme.GREEN, linewidth=1.2, linestyle="--")
    axes.set_yticks(range(len(attacks)), [attack_name(attack) for attack in attacks])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Recovered share of the damage (%); dashed: all of it")
    figure.legend(loc="outside lower left", ncols=2)
    return Plot(
        title="What is won back",
        svg=theme.to_svg(figure),
        alt=_alt(result, focus, attacks, shown),
        caption=f"{split_name(focus.split).capitalize()} split; below nought the defence adds to "
        f"the damage. Cut off at \N{PLUS-MINUS SIGN}{_MOST:g} %.",
    )


def _share(
    result: EvaluationResult, focus: Focus, attack: str, shown: list[str]
) -> Recovery | None:
    """Any defence's recovery under an attack that did damage."""
    found = (result.recovery(focus.split, attack, defense) for defense in shown)
    return next((one for one in found if one.share.value is not None), None)


def _cut(value: float) -> float:
    return max(-_MOST, min(_MOST, value))


def _alt(result: EvaluationResult, focus: Focus, attacks: list[str], shown: list[str]) -> str:
    parts = []
    for attack in attacks:
        said = [
            f"{column_name(result, defense)} "
            f"{percent(result.recovery(focus.split, attack, defense).share.value)}"
            for defense in shown
        ]
        parts.append(f"{attack_name(attack)}: {listed(said)}")
    return f"Recovered share in percent. {'; '.join(parts)}."
