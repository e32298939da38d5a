"""Work in threads beside the main one, in order and with little waiting in between."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS: Final = max(2, min(8, os.cpu_count() or 2))
"""Threads that read, and as many that write; each holds a photograph."""


class Crew(Generic[T, R]):
    """Threads that do one kind of work, so that only a few pieces of it are under way.

    Leaving the context calls off what has not begun.

    Args:
        work: What is done to each item; must be safe to run in several threads.
        workers: How many threads.
    """

    def __init__(self, work: Callable[[T], R], *, workers: int = WORKERS) -> None:
        self._work = work
        self._most = 2 * workers
        self._pool = ThreadPoolExecutor(workers)
        self._under_way: deque[Future[R]] = deque()

    def __enter__(self) -> Crew[T, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def give(self, item: T) -> Iterator[R]:
        """Hands over an item; yields what is finished, in order, waiting if too much is not."""
        self._under_way.append(self._pool.submit(self._work, item))
        while len(self._under_way) > self._most or self._under_way[0].done():
            yield self._under_way.popleft().result()
            if not self._under_way:
                break

    def rest(self) -> Iterator[R]:
        """Yields what is still under way, in order."""
        while self._under_way:
            yield self._under_way.popleft().result()

    def map(self, items: Iterable[T]) -> Iterator[R]:
        """Yields the result for each item, in order."""
        for item in items:
            yield from self.give(item)
        yield from self.rest()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yields `items`, while a thread makes the next one."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, iterator, None)
            yield item
