"""What a picture of the report is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of the report.

    Attributes:
        title: Its heading.
        svg: The picture.
        alt: What it shows, for those who cannot see it.
        caption: How to read it.
    """

    title: str
    svg: str
    alt: str
    caption: str
