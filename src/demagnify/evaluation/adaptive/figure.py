"""A figure of an adaptive attack: a few faces, and success against queries."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from demagnify.core.figures import savefig
from demagnify.core.images import from_batch
from demagnify.data.labels import label_name
from demagnify.data.subsample import spread_evenly
from demagnify.evaluation.adaptive.attack import Adapted, Candidates
from demagnify.evaluation.adaptive.results import AdaptiveResult, Against
from demagnify.evaluation.report.page import AMPLIFY, residual
from demagnify.evaluation.report.theme import BLUE, GREY, MUTED, RULE

SHOWN: Final = 4


def draw(candidates: Candidates, adapted: Adapted, result: AdaptiveResult) -> bytes:
    """Draws original, winner and amplified difference of a few faces, then the curve.

    The faces are successes spread evenly over the set, fakes and real ones; failures where there
    are too few.
    """
    rows = _pick(adapted)
    figure = Figure(figsize=(7.2, 2.5 * len(rows) + 3.4), dpi=130, layout="constrained")
    grid = figure.add_gridspec(len(rows) + 1, 3, height_ratios=[*(2.5 for _ in rows), 3.4])
    for number, row in enumerate(rows):
        places = [figure.add_subplot(grid[number, column]) for column in range(3)]
        _draw_face(places, candidates, adapted, row)
    _draw_curve(figure.add_subplot(grid[-1, :]), result)
    buffer = io.BytesIO()
    savefig(figure, buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _pick(adapted: Adapted) -> list[int]:
    found, labels = adapted.search, adapted.faces.labels
    picked: list[int] = []
    for among in (found.succeeded, found.attackable):
        for label in (1, 0):
            rows = np.setdiff1d(np.flatnonzero(among & (labels == label)), picked)
            wanted = min(len(rows), SHOWN // 2 - int((labels[picked] == label).sum()))
            picked += rows[spread_evenly(len(rows), wanted)].tolist()
    return picked


def _draw_face(places: Sequence[Axes], candidates: Candidates, adapted: Adapted, row: int) -> None:
    original, published = (
        from_batch(faces.batch([row]))[0] for faces in (candidates.faces, adapted.faces)
    )
    label = label_name(int(adapted.faces.labels[row]))
    attack = [*candidates.names, "not changed"][adapted.search.winner[row]]
    titles = (
        f"{label}, {_verdict(adapted.before[row], adapted)}",
        f"{attack}\n{_verdict(adapted.after[row], adapted)}, {adapted.search.queries[row]} queries",
        f"difference x{AMPLIFY}",
    )
    pictures = (original, published, residual(original, published))
    for place, title, pixels in zip(places, titles, pictures, strict=True):
        place.imshow(pixels, interpolation="nearest")
        place.set_title(title, fontsize=7)
        place.set_axis_off()


def _verdict(score: np.float32, adapted: Adapted) -> str:
    return f"called {label_name(int(score > adapted.threshold))} at {score:.2f}"


def _draw_curve(axes: Axes, result: AdaptiveResult) -> None:
    if result.undefended is not None:
        _draw_line(axes, result.undefended, GREY, "-")
    _draw_line(axes, result.target, BLUE, "--" if result.undefended else "-")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("queries per face, that about the original included", fontsize=8)
    axes.set_ylabel("verdicts turned, %", fontsize=8)
    axes.set_ylim(0, 100)
    axes.tick_params(labelsize=8, colors=MUTED)
    axes.grid(color=RULE, linewidth=0.8)
    axes.legend(fontsize=8, frameon=False)


def _draw_line(axes: Axes, against: Against, colour: str, line: str) -> None:
    queries = [point.queries for point in against.curve]
    shares = [
        (point.success.value, point.success.low, point.success.high) for point in against.curve
    ]
    value, low, high = 100 * np.array(shares, dtype=np.float64).T  # what is not known becomes NaN
    (steps,) = axes.step(queries, value, line, where="post", color=colour, label=against.name)
    steps.set(marker="o", markersize=3)
    axes.fill_between(queries, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
