"""Work on many files at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from demagnify import progress

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    work: Callable[[T], R], items: Sequence[T], description: str, *, workers: int | None = None
) -> Iterator[R]:
    """Yields `work(item)` for each item, in order, and shows how far it is.

    Threads are enough: Pillow and OpenCV let go of the interpreter while they compute. When the
    caller stops or the work fails, what has not begun is called off.

    Args:
        work: What is done to each item; must be safe to run in several threads.
        items: The items.
        description: What is being done, for the progress bar.
        workers: Threads; a few more than there are processors by default.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield from progress.track(pool.map(work, items), description, len(items))
    finally:
        pool.shutdown(cancel_futures=True)
