"""Colours that colour-blind readers tell apart, in light and in dark, for page and plots."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from demagnify.core.figures import savefig

INK: Final = "#1b1f24"
MUTED: Final = "#5b6570"
RULE: Final = "#d9dee3"
BLUE: Final = "#0067a5"
ORANGE: Final = "#b84a00"
GREEN: Final = "#00795a"
PURPLE: Final = "#9a4d80"
GREY: Final = "#767f89"

DARK: Final = {
    INK: "#e8ebee",
    MUTED: "#a3adb7",
    RULE: "#3a424b",
    BLUE: "#63b8ee",
    ORANGE: "#ff9a52",
    GREEN: "#3fcf9f",
    PURPLE: "#e29bc8",
    GREY: "#98a2ac",
}
"""What each colour becomes on a dark page. After Okabe and Ito, at 4.5:1 contrast or better."""

_WIDTH: Final = 5.2  # inches: text stays readable when a phone shrinks it to its width


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure of the report.

    Attributes:
        title: Its heading.
        svg: The figure.
        alt: The same in words, for readers who cannot see it.
        caption: How to read it.
    """

    title: str
    svg: str
    alt: str
    caption: str


@contextmanager
def style() -> Iterator[None]:
    """Sets matplotlib's look inside the block, and nothing outside it."""
    settings: dict[Any, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "demagnify",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": RULE,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
    }
    with mpl.rc_context(settings):
        yield


def new_figure(height: float) -> Figure:
    """Returns a figure of the page's width and `height` in inches."""
    return Figure(figsize=(_WIDTH, height), layout="constrained")


def to_svg(figure: Figure) -> str:
    """Returns a figure as SVG whose colours follow the reader's light or dark setting."""
    buffer = io.StringIO()
    savefig(figure, buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for light in DARK:
        svg = svg.replace(light, f"var({_variable(light)})")
    svg = re.sub(r"font: (.*?)'sans-serif'[^;\"]*", r"font: \1system-ui, sans-serif", svg)
    return re.sub(r"(<svg[^>]*>)", rf"\1<style>{_svg_colours()}</style>", svg, count=1)


def data_uri(content: bytes, mime: str) -> str:
    """Returns `content` as an address that holds the content itself."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _variable(colour: str) -> str:
    return f"--c{colour[1:]}"


def _svg_colours() -> str:
    light = "".join(f"{_variable(colour)}:{colour};" for colour in DARK)
    dark = "".join(f"{_variable(colour)}:{other};" for colour, other in DARK.items())
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
