"""How far a long table is."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Says what is being done, and how long the rest may take at the mean of the steps so far.

    Args:
        steps: How many there are.
        tell: Gets a line at the beginning of each.
    """

    def __init__(self, steps: int, tell: Callable[[str], None]) -> None:
        self._steps, self._tell = steps, tell
        self._done = 0
        self._start = time.monotonic()

    def step(self, name: str) -> None:
        """Begins the next step."""
        left = ""
        if self._done:
            each = (time.monotonic() - self._start) / self._done
            left = f", about {_minutes(each * (self._steps - self._done))} left"
        self._tell(f"[{self._done + 1}/{self._steps}] {name}{left}")
        self._done += 1


def _minutes(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
