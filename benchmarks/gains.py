"""Draws what attacks cost a detector and what a defence recovers, on several data sets, as PNG.

The command behind the picture in docs/results/hardened.md:

    python benchmarks/gains.py docs/results/hardened.png --defense default --base light \
        --evaluation dfdc224=runs/eval-dfdc224 --evaluation ff128=runs/eval-ff128
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from demagnify.core.files import atomic_path
from demagnify.evaluation import load_result
from demagnify.evaluation.records import Estimate
from demagnify.evaluation.report import theme
from demagnify.evaluation.results import UNDEFENDED, EvaluationResult
from demagnify.evaluation.words import condition_name
from demagnify.laundering.conditions import CLEAN

_ROW: Final = 0.34
"""Inches for each attack."""


def main() -> None:
    """Reads the evaluations and writes the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("picture", type=Path, help="where it shall stand")
    parser.add_argument("--defense", required=True, help="whose gains are drawn")
    parser.add_argument("--base", default="no defence", help="what the undefended one is called")
    parser.add_argument(
        "--evaluation", action="append", required=True, metavar="DATA=FOLDER", help="as ship.py"
    )
    options = parser.parse_args()
    results = {}
    for one in options.evaluation:
        data, _, folder = one.partition("=")
        results[data] = load_result(Path(folder))
    draw_gains(results, options.picture, defense=options.defense, base=options.base)


def draw_gains(
    results: dict[str, EvaluationResult], path: Path, *, defense: str, base: str
) -> None:
    """Draws one panel per data set: balanced accuracy on test faces, hardest attacks first."""
    orders = {data: _hardest_first(result) for data, result in results.items()}
    rows = max(len(order) for order in orders.values())
    with theme.style():
        figure = Figure(
            figsize=(4.9 * len(results), _ROW * rows + 1.5), layout="constrained", facecolor="white"
        )
        panels = figure.subplots(1, len(results), squeeze=False)[0]
        for panel, (data, result) in zip(panels, results.items(), strict=True):
            _draw(panel, result, orders[data], defense=defense, base=base)
            cell = result.cell("test", CLEAN, UNDEFENDED)
            panel.set_title(f"{data}: {cell.n} test faces in {cell.groups} groups")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
        with atomic_path(path) as place:
            figure.savefig(place, format="png", dpi=140, facecolor="white")


def _hardest_first(result: EvaluationResult) -> list[str]:
    cells = [one for one in result.cells if (one.split, one.method) == ("test", UNDEFENDED)]
    attacked = [one for one in cells if one.condition not in (CLEAN, "adaptive")]
    attacked.sort(key=lambda one: one.metrics["balanced_accuracy"].value or 0.0)
    return [one.condition for one in attacked]


def _draw(
    axes: Axes, result: EvaluationResult, attacks: list[str], *, defense: str, base: str
) -> None:
    styles = ((UNDEFENDED, base, theme.GREY, "o", -0.13), (defense, defense, theme.BLUE, "D", 0.13))
    for name, label, colour, mark, aside in styles:
        for place, attack in enumerate(attacks):
            figure = result.cell("test", attack, name).metrics["balanced_accuracy"]
            _point(axes, figure, place + aside, colour, mark, None if place else label)
        clean = result.cell("test", CLEAN, name).metrics["balanced_accuracy"].value
        if clean is not None:
            axes.axvline(100 * clean, color=colour, linewidth=1.2, linestyle="--")
    axes.plot([], [], color=theme.INK, linewidth=1.2, linestyle="--", label="untouched faces")
    seen = {one.name: one.seen for one in result.conditions}
    axes.set_yticks(
        range(len(attacks)),
        [condition_name(one) + (" (seen)" if seen.get(one) else "") for one in attacks],
    )
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Balanced accuracy, % (95 % intervals)")


def _point(
    axes: Axes, figure: Estimate, row: float, colour: str, mark: str, label: str | None
) -> None:
    if figure.value is None:
        return
    if figure.low is not None and figure.high is not None:
        axes.hlines(row, 100 * figure.low, 100 * figure.high, color=colour, linewidth=1.4)
    axes.plot(100 * figure.value, row, mark, color=colour, markersize=5.5, label=label)


if __name__ == "__main__":
    main()
