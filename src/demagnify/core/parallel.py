"""Threads: work on many items at once, and items made ahead of their use."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from demagnify.core import progress, threads

T = TypeVar("T")
R = TypeVar("R")

# Per thread: enough that none waits while the caller is busy, few enough to hold in memory.
_WINDOW: Final = 4
_LOOK_AGAIN_SECONDS: Final = 0.1


def in_threads(
    work: Callable[[T], R],
    items: Iterable[T],
    description: str = "",
    *,
    workers: int | None = None,
    total: int | None = None,
) -> Iterator[R]:
    """Yields `work(item)` for each item, in order, and shows progress.

    Threads are enough: Pillow and OpenCV release the interpreter lock while they compute. Items
    are taken a few per thread ahead of the caller, so that neither they nor the results pile up.
    When the caller stops or the work fails, tasks that have not begun are cancelled.

    Args:
        work: Applied to each item; must be safe to run in several threads.
        items: The items.
        description: Text of the progress bar; without one, no progress is shown.
        workers: Number of threads; a few more than there are processors by default.
        total: Number of items, where `items` has no length.

    Example:
        >>> list(in_threads(lambda number: number**2, range(4)))
        [0, 1, 4, 9]
    """
    results = _in_threads(work, items, workers or default_workers())
    if not description:
        return results
    if total is None and isinstance(items, Sized):
        total = len(items)
    return progress.track(results, description, total)


def _in_threads(work: Callable[[T], R], items: Iterable[T], count: int) -> Iterator[R]:
    pool = ThreadPoolExecutor(count)
    todo = iter(items)
    running: deque[Future[R]] = deque()
    try:
        running.extend(pool.submit(work, item) for item in islice(todo, count * _WINDOW))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(work, item) for item in islice(todo, 1))
            yield result
    finally:
        # The garbage collector may end this in a thread that is just starting: to join another one
        # there waits for ever, to wait for the work in hand does not.
        pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in running if not future.cancelled()])


def default_workers() -> int:
    """Returns a few threads more than there are processors, at most 32."""
    return min(32, threads.available() + 4)


@dataclass(frozen=True, slots=True)
class _End:
    """Stands in the queue after the last item."""

    error: BaseException | None = None


def prefetch(items: Iterable[T], *, depth: int = 2) -> Iterator[T]:
    """Yields `items`; a thread makes the next few while the caller is busy.

    Args:
        items: The items; an error raised while one is made is raised here in its place.
        depth: How many items may wait, at least 1.

    Example:
        >>> list(prefetch(range(3)))
        [0, 1, 2]
    """
    ready: queue.Queue[T | _End] = queue.Queue(depth)
    stopped, ended = threading.Event(), threading.Event()

    def hand_over(item: T | _End) -> bool:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=_LOOK_AGAIN_SECONDS)
                return True
        return False

    def make() -> None:
        source: Iterator[T] | None = None
        try:
            source = iter(items)
            for item in source:
                if not hand_over(item):
                    return
            hand_over(_End())
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            hand_over(_End(error))
        finally:
            try:
                if isinstance(source, Generator):
                    source.close()
            finally:
                ended.set()

    maker = threading.Thread(target=make, name="demagnify-prefetch", daemon=True)
    maker.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        ended.wait()  # not join: see `_in_threads`
