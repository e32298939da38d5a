"""A part of a photograph."""

from __future__ import annotations

from typing import NamedTuple

from demagnify.core.images import Pixels

Size = tuple[int, int]
"""Height and width in pixels."""


class Region(NamedTuple):
    """A part of a photograph, in whole pixels, inside of it."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width

    def of(self, pixels: Pixels) -> Pixels:
        """Returns that part of a photograph, (height, width, 3), as a view."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]
