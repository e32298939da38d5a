"""Worker processes that end with the process that started them, even if that is killed."""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress
from multiprocessing import parent_process
from typing import Final

_PARENT_DEATH_SIGNAL: Final = 1


def end_with_parent() -> None:
    """Has the system kill this process as soon as its parent is gone; Linux alone can do that."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    parent = parent_process()
    if parent is not None and not parent.is_alive():  # it was killed before that
        signal.raise_signal(signal.SIGKILL)
