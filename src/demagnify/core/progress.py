"""Progress that a person can read: a bar with time left, or sparse lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from typing import TypeVar

from demagnify.core.printing import printable

T = TypeVar("T")

LOG_EVERY_SECONDS = 15.0


@contextmanager
def bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows progress on standard error and yields `advance(count)`.

    On a terminal a bar with speed and time left; elsewhere a line every 15 seconds and one at
    the end of anything longer than two seconds, so that logs stay short.

    Args:
        description: What is being done, for the reader.
        total: How many steps there are; None if nobody knows.
    """
    show = _terminal_bar if sys.stderr.isatty() else _log_lines
    with show(description, total) as advance:
        yield advance


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yields `items` one by one and shows how far it is; see `bar`."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def _terminal_bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(escape(printable(description)), total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _log_lines(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    start = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            _say(description, done, total, now - start)

    yield advance
    if time.monotonic() - start >= 2.0:
        _say(description, done, total, time.monotonic() - start)


def _say(description: str, done: int, total: int | None, seconds: float) -> None:
    of = f"{done}/{total}" if total else f"{done}"
    left = f", {seconds * (total - done) / done:.0f} s left" if total and 0 < done < total else ""
    with suppress(OSError, ValueError):  # a full or closed stream stops no work
        sys.stderr.write(f"{printable(description)}: {of} in {seconds:.0f} s{left}\n")
        sys.stderr.flush()
