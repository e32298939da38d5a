"""Work on many files at once, and ahead of whoever needs it."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from demagnify.core import progress

T = TypeVar("T")
R = TypeVar("R")

# Per thread: enough that none waits while the caller is busy, few enough to hold in memory.
_WINDOW: Final = 4
_LOOK_AGAIN_SECONDS: Final = 0.1


def in_threads(
    work: Callable[[T], R],
    items: Iterable[T],
    description: str,
    *,
    workers: int | None = None,
    total: int | None = None,
) -> Iterator[R]:
    """Yields `work(item)` for each item, in order, and shows how far it is.

    Threads are enough: Pillow and OpenCV let go of the interpreter while they compute. Items are
    taken a few per thread ahead of the caller, so that neither they nor the results pile up. When
    the caller stops or the work fails, what has not begun is called off.

    Args:
        work: What is done to each item; must be safe to run in several threads.
        items: The items.
        description: What is being done, for the progress bar.
        workers: Threads; a few more than there are processors by default.
        total: How many items there are, where `items` cannot say.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    return progress.track(mapped(work, items, workers=workers), description, total)


def mapped(
    work: Callable[[T], R], items: Iterable[T], *, workers: int | None = None
) -> Iterator[R]:
    """Does the same without showing how far it is."""
    count = workers or default_workers()
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
        pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """Returns a few threads more than there are processors, at most 32."""
    return min(32, (os.cpu_count() or 1) + 4)


@dataclass(frozen=True, slots=True)
class _End:
    """What stands in the queue after the last item."""

    error: BaseException | None = None


def ahead(items: Iterable[T], *, depth: int = 2) -> Iterator[T]:
    """Yields `items`, the next few of which are made in a thread while the caller is busy.

    Args:
        items: The items; what making them raises, the caller gets in their place.
        depth: How many items may wait, at least 1.
    """
    ready: queue.Queue[T | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def hand_over(item: T | _End) -> bool:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=_LOOK_AGAIN_SECONDS)
                return True
        return False

    def make() -> None:
        source = iter(items)
        try:
            for item in source:
                if not hand_over(item):
                    return
            hand_over(_End())
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            hand_over(_End(error))
        finally:
            if isinstance(source, Generator):
                source.close()

    maker = threading.Thread(target=make, name="demagnify-ahead", daemon=True)
    maker.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        maker.join()
