"""The rounds as PNG: validation scores and the agent's choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from demagnify.core.figures import savefig
from demagnify.core.files import atomic_path
from demagnify.hardening.validation import Round

_PURPLE: Final = "#9a4d80"
_LINES: Final[Sequence[tuple[Callable[[Round], float], str, str]]] = (
    (attrgetter("clean"), "o", "#0067a5"),
    (attrgetter("degraded"), "s", "#00795a"),
    (attrgetter("worst"), "v", "#b84a00"),
)
_NAMES: Final = ("clean", "degraded, mean", "worst degradation")
_COLOURS: Final = colormaps["tab20"]
_NAMED: Final = 2.0
"""Percent of the faces from which on a choice gets a colour of its own."""
_OTHERS: Final = "others"


def draw_rounds(rounds: Sequence[Round], path: Path, *, averages: Sequence[Round] = ()) -> None:
    """Draws the validation scores of each round and the agent's choices."""
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    at = [one.number for one in rounds]
    for (figure_of, mark, colour), label in zip(_LINES, _NAMES, strict=True):
        heights = [100 * figure_of(one) for one in rounds]
        left.plot(at, heights, f"{mark}-", color=colour, label=label)
    chosen = [(one.number - 1, 100 * one.agent) for one in rounds if one.agent is not None]
    if chosen:
        left.plot(*zip(*chosen, strict=True), "x--", color=_PURPLE, label="as the agent chose")
    for figure_of, mark, colour in _LINES:
        means = [(one.number * one.share, 100 * figure_of(one)) for one in averages]
        if means:
            left.plot(*zip(*means, strict=True), mark, color=colour, fillstyle="none")
    if averages:
        left.plot([], [], "o", color="#666666", fillstyle="none", label="mean weights")
    left.set(xlabel="round", ylabel="balanced accuracy in %", xticks=at)
    left.set_title("The detector on validation faces", loc="left", fontsize=10)
    left.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=5, fontsize=9)
    _draw_choices(right, rounds[1:])
    right.set(xlabel="round", ylabel="% of the training faces", xticks=at[1:], ylim=(0, 100))
    right.set_title("The agent's choices", loc="left", fontsize=10)
    with atomic_path(path) as temporary:
        savefig(figure, temporary, format="png", dpi=120)


def _draw_choices(axes: Axes, rounds: Sequence[Round]) -> None:
    """Stacks the agent's choices in each round; rare choices are put together."""
    shares = (
        {name: [100 * one.choices[name] for one in rounds] for name in rounds[-1].choices}
        if rounds
        else {}
    )
    if not shares:
        axes.text(0.5, 0.5, "no agent", ha="center", transform=axes.transAxes)
        return
    shown = {name: parts for name, parts in shares.items() if max(parts) >= _NAMED}
    rest = [100 - sum(parts) for parts in zip(*shown.values(), strict=True)]
    at, bottom = [one.number for one in rounds], [0.0] * len(rounds)
    for number, (name, parts) in enumerate([*shown.items(), (_OTHERS, rest)]):
        grey = name in ("identity", _OTHERS)
        colour = "#c5cbd1" if grey else to_hex(_COLOURS(number % _COLOURS.N))
        axes.bar(at, parts, bottom=bottom, width=0.7, color=colour, label=name)
        bottom = [low + part for low, part in zip(bottom, parts, strict=True)]
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
