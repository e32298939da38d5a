"""A description as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from demagnify.core.figures import savefig
from demagnify.core.files import atomic_path
from demagnify.data.describe.description import SIZE_EDGES, Crossing, Description

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE: Final = "#0067a5"
_ORANGE: Final = "#b84a00"


def save_figure(description: Description, path: Path) -> None:
    """Draws labels, sizes and what crosses splits, as a PNG.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    (labels, sizes), (groups, near) = figure.subplots(2, 2)
    names = [split.name for split in description.splits]
    _draw_labels(labels, description)
    _draw_sizes(sizes, description)
    _draw_crossings(groups, names, description.shared_groups, "Groups in two splits")
    title = (
        "Images with a near duplicate in another split"
        if description.hashed
        else "Near duplicates: not looked for"
    )
    _draw_crossings(near, names, description.near, title)
    with atomic_path(path) as temporary:
        savefig(figure, temporary, format="png", dpi=120)


def _draw_labels(axes: Axes, description: Description) -> None:
    places = np.arange(len(description.splits))
    sides = (("real", -0.2, _BLUE), ("fake", 0.2, _ORANGE))
    for label, shift, colour in sides:
        counts = [getattr(split, label) for split in description.splits]
        bars = axes.bar(places + shift, counts, width=0.38, color=colour, label=label)
        axes.bar_label(bars, fontsize=8)
    titles = [
        f"{split.name}\n" + ("no real" if split.imbalance is None else f"1 : {split.imbalance:.2f}")
        for split in description.splits
    ]
    axes.set_xticks(places, titles)
    axes.set_title("Labels, and fakes per real image")
    axes.legend(frameon=False)


def _draw_sizes(axes: Axes, description: Description) -> None:
    steps = np.arange(len(SIZE_EDGES))
    width = 0.9 / len(description.splits)
    for place, split in enumerate(description.splits):
        if split.sizes is not None:
            shares = np.array(split.sizes.histogram) / split.sizes.images * 100
            axes.bar(steps + (place + 0.5) * width, shares, width=width, label=split.name)
    axes.set_xticks(steps, [str(edge) for edge in SIZE_EDGES], rotation=60)
    axes.set_xlabel("shorter side, pixels, from")
    axes.set_ylabel("% of the split")
    axes.set_title("Sizes")
    if axes.patches:
        axes.legend(frameon=False)


def _draw_crossings(
    axes: Axes, names: Sequence[str], crossings: Sequence[Crossing], title: str
) -> None:
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for crossing in crossings:
        table[names.index(crossing.split), names.index(crossing.other)] = crossing.count
    # Twice the highest value at the dark end: dark figures stay readable on every square.
    axes.imshow(np.log1p(table), cmap="Oranges", vmin=0, vmax=2 * max(1.0, np.log1p(table.max())))
    for (row, column), count in np.ndenumerate(table):
        if row != column:
            axes.text(column, row, str(count), ha="center", va="center", fontsize=9)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(title)
