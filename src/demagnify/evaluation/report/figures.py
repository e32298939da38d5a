"""The report's figures, each an SVG with a sentence for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final

from matplotlib.axes import Axes

from demagnify.core.printing import listed
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report import theme
from demagnify.evaluation.report.curves import risk_curves, training_curves
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.tables import column_name, main_methods
from demagnify.evaluation.report.theme import Plot
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult, RocCurve
from demagnify.evaluation.words import condition_name, known_share, percent, split_name
from demagnify.laundering.config import CLEAN

_STYLES: Final = {  # several of one role are told apart by shape
    "undefended": (theme.ORANGE, "o"),
    "baseline": (theme.GREY, "sv^Pp"),
    "learned": (theme.BLUE, "D*Hd<"),
    "bound": (theme.GREEN, "|"),
    "detector": (theme.PURPLE, "XPph8"),
    "control": (theme.GREY, "x+1234"),
}
_EPOCHS: Final = "The detector's training, epoch by epoch."
_REWARD: Final = "Mean reward: +1 for a right verdict, \N{MINUS SIGN}1 for a wrong one."


def draw_all(result: EvaluationResult) -> list[Plot]:
    """Draws every figure for which `result` holds the figures."""
    focus = Focus(result)
    drawers: tuple[Callable[[Focus], Plot | None], ...] = (
        recovered_shares,
        forest,
        actions,
        risk_curves,
        roc,
    )
    with theme.style():
        drawn = [draw(focus) for draw in drawers]
        for who, history, caption in (
            ("agent", result.context.learner_history, _REWARD),
            ("detector", result.context.detector_history, _EPOCHS),
        ):
            drawn.append(training_curves(history, f"Training of the {who}", caption))
    return [plot for plot in drawn if plot is not None]


def forest(focus: Focus) -> Plot:
    """Balanced accuracy with intervals: a block per attack, a mark per defence."""
    shown = main_methods(focus.result)
    roles = {entry.name: entry.role for entry in focus.result.methods}
    conditions = focus.here
    lines = len(conditions) * (len(shown) + 1)
    figure = theme.new_figure(0.17 * lines + 1.1)
    axes = figure.add_subplot()
    shapes = {role: cycle(look[1]) for role, look in _STYLES.items()}
    for number, method in enumerate(shown):
        colour, shape = _STYLES[roles[method]][0], next(shapes[roles[method]])
        label = column_name(focus.result, method)
        for block, condition in enumerate(conditions):
            figures = focus.balanced(condition, method)
            row = block * (len(shown) + 1) + number
            _mark(axes, row, figures, colour, shape, "" if block else label)
    middle = (len(shown) - 1) / 2
    ticks = [block * (len(shown) + 1) + middle for block in range(len(conditions))]
    axes.set_yticks(ticks, [condition_name(condition) for condition in conditions])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.axvline(50, color=theme.MUTED, linewidth=1, linestyle=":")
    axes.set_xlabel("Balanced accuracy (%); dotted: guessing")
    figure.legend(loc="outside lower left", ncols=2, handletextpad=0.3, columnspacing=1.2)
    return Plot(
        title="Every attack, with intervals",
        svg=theme.to_svg(figure),
        alt=_alt("Balanced accuracy", focus, conditions, shown, focus.balanced),
        caption=f"{split_name(focus.split).capitalize()} split; bars: "
        f"{100 * focus.result.settings.confidence:g} % intervals over groups.",
    )


def _mark(axes: Axes, row: int, figure: Estimate, colour: str, shape: str, label: str) -> None:
    """Draws one figure and its interval; a figure without value only enters the legend."""
    value = math.nan if figure.value is None else 100 * figure.value
    axes.plot([value], [row], shape, color=colour, markersize=6, label=label or None)
    if figure.low is not None and figure.high is not None:
        axes.hlines(row, 100 * figure.low, 100 * figure.high, color=colour, linewidth=1.6)


def _alt(
    what: str,
    focus: Focus,
    conditions: Sequence[str],
    methods: Sequence[str],
    value: Callable[[str, str], Estimate],
) -> str:
    """Returns a figure in words: by condition, the value of each method in percent."""
    parts = []
    for condition in conditions:
        values = [
            f"{column_name(focus.result, method)} {percent(value(condition, method).value)}"
            for method in methods
        ]
        parts.append(f"{condition_name(condition)}: {listed(values)}")
    return f"{what} in percent. {'; '.join(parts)}."


def roc(focus: Focus) -> Plot | None:
    """A small ROC panel per attack: undefended against learned, clean as reference."""
    curves = {
        (curve.condition, curve.method): curve
        for curve in focus.result.roc_curves
        if curve.split == focus.split
    }
    conditions = [condition for condition in focus.here if (condition, UNDEFENDED) in curves]
    if not conditions:
        return None
    rows = math.ceil(len(conditions) / 2)
    figure = theme.new_figure(2.45 * rows + 0.6)
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False).ravel()
    reference = curves[CLEAN, UNDEFENDED]
    for panel, condition in zip(panels, conditions, strict=False):
        panel.plot((0, 100), (0, 100), color=theme.RULE, linewidth=1)
        if condition != CLEAN:
            _curve(panel, reference, theme.GREY, ":", "Clean, no defence")
        _curve(panel, curves[condition, UNDEFENDED], theme.ORANGE, "--", "No defence")
        if focus.method is not None:
            _curve(panel, curves[condition, focus.method], theme.BLUE, "-", focus.method)
        panel.set_title(condition_name(condition))
        panel.set_aspect("equal")
        panel.set_xticks((0, 50, 100))
        panel.set_yticks((0, 50, 100))
    for panel in panels[len(conditions) :]:
        panel.set_visible(False)
    figure.supxlabel("Real faces called fake, FPR (%)", fontsize=10)
    figure.supylabel("Fake faces called fake, TPR (%)", fontsize=10)
    handles, labels = panels[len(conditions) - 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return Plot(
        title="ROC curves",
        svg=theme.to_svg(figure),
        alt=_roc_alt(focus, conditions),
        caption="The score after the chosen action; the nearer to the upper left the better.",
    )


def _curve(panel: Axes, curve: RocCurve, colour: str, line: str, label: str) -> None:
    fpr, tpr = [100 * x for x in curve.fpr], [100 * y for y in curve.tpr]
    panel.plot(fpr, tpr, color=colour, linestyle=line, linewidth=1.6, label=label)


def _roc_alt(focus: Focus, conditions: Sequence[str]) -> str:
    parts = []
    for condition in conditions:
        alone = focus.cell(condition).metrics["auc"].value
        text = f"{condition_name(condition)}: no defence {percent(alone)}"
        if focus.method is not None:
            defended = focus.cell(condition, focus.method).metrics["auc"].value
            text += f", {focus.method} {percent(defended)}"
        parts.append(text)
    return f"ROC curves. Area under the curve in percent: {'; '.join(parts)}."


def actions(focus: Focus) -> Plot | None:
    """Actions of the agent: share of each action, per attack and label."""
    if focus.method is None:
        return None
    found = {
        item.condition: item
        for item in focus.result.action_counts
        if item.split == focus.split and item.method == focus.method
    }
    rows = [
        (f"{condition_name(item.condition)}, {label}", numbers)
        for item in map(found.get, focus.here)
        if item is not None
        for label, numbers in (("real", item.real), ("fake", item.fake))
        if sum(numbers)
    ]
    if not rows:
        return None
    names = next(iter(found.values())).actions or focus.result.actions
    figure = theme.new_figure(0.27 * len(rows) + 1.2)
    axes = figure.add_subplot()
    for row, (_, numbers) in enumerate(rows):
        for column, number in enumerate(numbers):
            share = number / sum(numbers)
            axes.barh(row, 1, 0.9, left=column - 0.5, color=theme.BLUE, alpha=0.55 * share)
            text = f"{100 * share:.0f}" if number else "·"
            axes.text(column, row, text, ha="center", va="center", fontsize=9)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="left")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return Plot(
        title="Actions of the agent",
        svg=theme.to_svg(figure),
        alt=_actions_alt(names, rows),
        caption=f"Share of faces (%) that get each action from {focus.method}, "
        f"{split_name(focus.split)} split.",
    )


def _actions_alt(names: Sequence[str], rows: Sequence[tuple[str, tuple[int, ...]]]) -> str:
    parts = []
    for name, numbers in rows:
        most = max(range(len(numbers)), key=numbers.__getitem__)
        parts.append(f"{name}: {names[most]} {percent(numbers[most] / sum(numbers))}")
    return f"Most frequent action in percent of faces. {'; '.join(parts)}."


_MOST: Final = 150.0
"""Percent beyond which a share of little damage is cut off."""
_COLOURS: Final = {"learned": theme.BLUE, "detector": theme.PURPLE, "baseline": theme.GREY}
_SHADES: Final = (1.0, 0.7, 0.45, 0.25)


def recovered_shares(focus: Focus) -> Plot | None:
    """Bars with intervals; None if no attack has a share."""

    def share_of(condition: str, method: str) -> Estimate:
        return known_share(focus.recovery(condition, method).share)

    bounds = focus.result.of_role("bound")
    shown = [name for name in main_methods(focus.result) if name not in (UNDEFENDED, *bounds)]
    conditions = [
        condition
        for condition in focus.here
        if condition != CLEAN
        and any(share_of(condition, method).low is not None for method in shown)
    ]  # under which some method has a share: the attack did clear damage
    if not shown or not conditions:
        return None
    figure = theme.new_figure((0.2 * len(shown) + 0.14) * len(conditions) + 1.3)
    axes = figure.add_subplot()
    roles = {entry.name: entry.role for entry in focus.result.methods}
    height = 0.84 / len(shown)
    drawn: dict[str, int] = {}
    for number, method in enumerate(shown):
        colour = _COLOURS.get(roles[method], theme.GREY)
        shade = _SHADES[min(drawn.get(colour, 0), len(_SHADES) - 1)]
        drawn[colour] = drawn.get(colour, 0) + 1
        for place, condition in enumerate(conditions):
            row = place + (number - (len(shown) - 1) / 2) * height
            share = share_of(condition, method)
            label = None if place else column_name(focus.result, method)
            value = 0.0 if share.value is None else 100 * share.value
            axes.barh(
                row, _cut(value), 0.86 * height, color=colour, alpha=shade, label=label, linewidth=0
            )
            if share.low is not None and share.high is not None:
                ends = (_cut(100 * share.low), _cut(100 * share.high))
                axes.hlines(row, *ends, color=theme.INK, linewidth=1)
    axes.axvline(0, color=theme.INK, linewidth=1)
    axes.axvline(100, color=theme.GREEN, linewidth=1.2, linestyle="--")
    axes.set_yticks(range(len(conditions)), [condition_name(condition) for condition in conditions])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Recovered share of the damage (%); dashed: all of it")
    figure.legend(loc="outside lower left", ncols=2)
    return Plot(
        title="Recovered share",
        svg=theme.to_svg(figure),
        alt=_alt("Recovered share", focus, conditions, shown, share_of),
        caption=f"{split_name(focus.split).capitalize()} split; below zero the defence adds to "
        f"the damage. Cut off at \N{PLUS-MINUS SIGN}{_MOST:g} %.",
    )


def _cut(value: float) -> float:
    return max(-_MOST, min(_MOST, value))
