"""What a table of the report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from demagnify.evaluation.report.words import MINUS, percent, point_span, points, sign, span
from demagnify.evaluation.result import Estimate


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a table.

    Attributes:
        value: What it says.
        span: The interval, if there is one.
        tone: 1 where a difference is clearly for the better, -1 for the worse, 0 else.
        reason: Why there is no value or no interval.
    """

    value: str
    span: str = ""
    tone: int = 0
    reason: str = ""

    @property
    def arrow(self) -> str:
        """Where a clear difference points: up or down, whether that is good or bad."""
        if not self.tone:
            return ""
        return "▼" if self.value.startswith(MINUS) else "▲"

    def __str__(self) -> str:
        return f"{self.value} ({self.span})" if self.span else self.value


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        name: A short name for anchors and labels.
        caption: What it shows, with units and n.
        head: The columns' headings; the first is that of the rows' headings.
        rows: The rows; the first entry of each is its heading.
        notes: What must be known to read it.
    """

    name: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = field(default=())


def rate(figure: Estimate) -> Entry:
    """Returns a fraction in percent as a field."""
    return Entry(percent(figure.value), span(figure), reason=figure.reason)


def change(figure: Estimate, *, better: int = 1) -> Entry:
    """Returns a difference in points as a field; `better` is -1 where less is better."""
    return Entry(
        points(figure.value), point_span(figure), better * sign(figure), reason=figure.reason
    )
