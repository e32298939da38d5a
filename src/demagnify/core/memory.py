"""Keeping freed memory for the next batch instead of giving it back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
"""The numbers of glibc's malloc.h; see mallopt(3)."""
_KEPT: Final = 2**31 - 1
_LARGE: Final = 2**30
_PAD: Final = 2**26
_GROWTH: Final = 2**29
_PAUSE: Final = 0.2
_SPACING: Final = 10.0
_seldom: Final = threading.Event()
_VARIABLES: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")
"""Through which users tell glibc the same; what they say holds."""


def keep_freed_memory() -> bool:
    """Lets the process keep freed memory up to 2 GiB, which makes networks on a processor faster.

    glibc maps every large array anew and gives it back at once, so that each layer of each batch
    waits for fresh, zeroed pages: `benchmarks/training.py` measures what that costs. It holds for
    the whole process, so that only `demagnify`'s own command does it; call it at the start of your
    own program if you like. Batches of other sizes cut the kept memory into pieces, so a thread
    gives all that is free back whenever the process has grown by half a gigabyte.

    Returns:
        Whether it is so now: False without glibc, or where the environment says otherwise.
    """
    if any(name in os.environ for name in _VARIABLES) or not _set_malloc(_KEPT, _LARGE, _PAD):
        return False
    threading.Thread(target=_trim_where_it_grows, name="memory", daemon=True).start()
    return True


@contextmanager
def given_back_seldom() -> Iterator[None]:
    """While it lasts, freed memory is given back every ten seconds at most.

    A training fills what was given back within a step or two, and waits for its pages each time.
    """
    _seldom.set()
    try:
        yield
    finally:
        _seldom.clear()


def _trim_where_it_grows() -> None:
    """Gives free memory back whenever the process is `_GROWTH` above its lowest use since then."""
    trim = ctypes.CDLL(None).malloc_trim
    lowest = resident()
    while True:
        time.sleep(_PAUSE)
        lowest = min(lowest, resident())
        if resident() > lowest + _GROWTH:
            trim(0)
            lowest = resident()
            time.sleep(_SPACING if _seldom.is_set() else 0)


def resident() -> int:
    """Returns how many bytes of memory this process has, on Linux."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_freed_memory_back() -> bool:
    """Sets what glibc does at its start, but for its guesses; for measuring both ways."""
    return _set_malloc(128 * 2**10, 128 * 2**10, 0)


def _set_malloc(trim: int, mapped: int, pad: int) -> bool:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # musl has none
        return False
    options = ((_TRIM_THRESHOLD, trim), (_MMAP_THRESHOLD, mapped), (_TOP_PAD, pad))
    taken = [mallopt(option, value) == 1 for option, value in options]
    return all(taken)
