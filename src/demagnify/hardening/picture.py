"""The rounds as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from demagnify.files import atomic_path
from demagnify.hardening.judge import Round

_BLUE, _ORANGE, _GREEN, _PURPLE = "#0067a5", "#b84a00", "#00795a", "#9a4d80"


def draw_rounds(rounds: Sequence[Round], path: Path) -> None:
    """Draws what each round brought on validation faces, and what the agent chose, as PNG.

    Args:
        rounds: From round 0.
        path: Where the picture shall stand.

    Raises:
        BadOutputError: If the place cannot be written to.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    at = [one.number for one in rounds]
    left.plot(at, [100 * one.clean for one in rounds], "o-", color=_BLUE, label="untouched")
    left.plot(
        at, [100 * one.degraded for one in rounds], "s-", color=_GREEN, label="degraded, mean"
    )
    left.plot(at, [100 * one.worst for one in rounds], "v-", color=_ORANGE, label="worst kind")
    played = [(one.number - 1, 100 * one.agent) for one in rounds if one.agent is not None]
    if played:
        left.plot(*zip(*played, strict=True), "x--", color=_PURPLE, label="as the agent chose")
    left.set(xlabel="round", ylabel="balanced accuracy in %", xticks=at)
    left.set_title("The detector on validation faces", loc="left", fontsize=10)
    left.grid(alpha=0.3)
    left.legend(frameon=False, fontsize=9)
    bottom = [0.0] * (len(rounds) - 1)
    names = list(rounds[-1].choices)
    for number, name in enumerate(names):
        shares = [100 * one.choices[name] for one in rounds[1:]]
        colour = f"C{number}" if name != "leave" else "#c5cbd1"
        right.bar(at[1:], shares, bottom=bottom, width=0.7, color=colour, label=name)
        bottom = [low + share for low, share in zip(bottom, shares, strict=True)]
    right.set(xlabel="round", ylabel="% of the training faces", xticks=at[1:], ylim=(0, 100))
    right.set_title("What the agent chose", loc="left", fontsize=10)
    if names:
        right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        right.text(0.5, 0.5, "no agent", ha="center", transform=right.transAxes)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
