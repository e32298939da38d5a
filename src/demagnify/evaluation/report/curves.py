"""Training as curves: the agent's and the detector's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from demagnify.core.printing import listed
from demagnify.evaluation.report import theme
from demagnify.evaluation.report.story import Focus
from demagnify.evaluation.report.summary import abstaining_cells
from demagnify.evaluation.report.theme import Plot
from demagnify.evaluation.words import condition_name, percent, split_name

History = Sequence[dict[str, float | None]]
Line = tuple[list[float], list[float]]

_STEPS: Final = ("episode", "step", "epoch")
_HIDDEN: Final = frozenset({"learning_rate", "images_per_second", "threshold", "epsilon"})
_SHARE: Final = "share "
_MOST_PANELS: Final = 4
_LINE_COLOURS: Final = (theme.BLUE, theme.ORANGE, theme.GREEN, theme.PURPLE, theme.GREY)
_LINE_STYLES: Final = ("-", "--", ":")
_STYLES: Final = (
    (theme.BLUE, "-"),
    (theme.ORANGE, "--"),
    (theme.GREEN, "-."),
    (theme.PURPLE, ":"),
    (theme.GREY, "-"),
)


def training_curves(history: History, title: str, caption: str) -> Plot | None:
    """Draws the figures of a training, a panel each; None if there are fewer than two points."""
    step = next((key for key in _STEPS if history and key in history[0]), "log point")
    panels = _panels(history, step)
    if not panels:
        return None
    figure = theme.new_figure(1.5 * len(panels) + 0.5)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False).ravel()
    for panel, (name, lines) in zip(axes, panels.items(), strict=True):
        _fill(panel, name, lines)
    axes[-1].set_xlabel(step)
    figures = [
        f"{_words(name)} from {y[0]:.3g} to {y[-1]:.3g}"
        for lines in panels.values()
        for name, (_, y) in lines.items()
    ]
    alt = f"Curves over {step}: {listed(figures)}."
    return Plot(title=title, svg=theme.to_svg(figure), alt=alt, caption=caption)


def _fill(panel: Axes, name: str, lines: dict[str, Line]) -> None:
    for number, (label, (x, y)) in enumerate(lines.items()):
        colour, dashes = _STYLES[number % len(_STYLES)]
        text = _words(label.removeprefix(_SHARE))
        panel.plot(x, y, color=colour, linestyle=dashes, linewidth=1.6, label=text)
    panel.set_title(_words(name))
    if len(lines) > 1:
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.6)


def _panels(history: History, step: str) -> dict[str, dict[str, Line]]:
    """Panel -> name -> line: losses share a panel, and so do the shares of the actions."""
    panels: dict[str, dict[str, Line]] = {}
    for name in dict.fromkeys(name for row in history for name in row):
        line = _line(history, step, name)
        if name == step or name in _HIDDEN or len(line[0]) < 2:
            continue
        if name.startswith(_SHARE):
            panels.setdefault("share of each action", {})[name] = line
        else:
            panels.setdefault("loss" if name.endswith("loss") else name, {})[name] = line
    return dict(list(panels.items())[:_MOST_PANELS])


def _line(history: History, step: str, name: str) -> Line:
    known = [
        (float(number) if (at := row.get(step)) is None else at, value)
        for number, row in enumerate(history)
        if (value := row.get(name)) is not None
    ]
    return [at for at, _ in known], [value for _, value in known]


def _words(name: str) -> str:
    return name.replace("_", " ").replace("auc", "AUC")


def risk_curves(focus: Focus) -> Plot | None:
    """Share of wrong verdicts against the share given; None if every verdict is given."""
    found = [cell for cell in abstaining_cells(focus) if cell.abstention and cell.abstention.curve]
    if not found:
        return None
    mine = [cell for cell in found if cell.method == found[0].method]
    figure = theme.new_figure(3.4)
    axes = figure.add_subplot()
    for number, cell in enumerate(mine):
        curve = cell.abstention.curve if cell.abstention else ()
        colour = _LINE_COLOURS[number % len(_LINE_COLOURS)]
        style = _LINE_STYLES[number // len(_LINE_COLOURS) % len(_LINE_STYLES)]
        given, wrong = ([100 * x for x in column] for column in zip(*curve, strict=True))
        axes.plot(given, wrong, style, color=colour, label=condition_name(cell.condition))
    axes.set_xlabel("Faces that get a verdict (%)")
    axes.set_ylabel("Wrong verdicts (%)")
    axes.set_xlim(0, 100)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper left", ncols=2)
    ends = [
        f"{condition_name(cell.condition)} {percent(cell.abstention.risk)}"
        for cell in mine
        if cell.abstention
    ]
    return Plot(
        title="Risk and coverage",
        svg=theme.to_svg(figure),
        alt=f"Share of wrong verdicts among those given, in percent: {listed(ends)}.",
        caption=f"{found[0].method}, {split_name(focus.split)} split; the most uncertain verdicts "
        "are rejected first.",
    )
