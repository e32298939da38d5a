"""Worker processes that end with the process that started them, and not before it."""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress
from multiprocessing import parent_process, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Final

_PARENT_DEATH_SIGNAL: Final = 1


def start(process: BaseProcess) -> None:
    """Starts a process that Ctrl-C does not reach, not even while it imports its modules.

    Args:
        process: Of the context "spawn". Whoever starts it ends it.
    """
    resource_tracker.ensure_running()  # starting it later would let the signal through again
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def end_with_parent() -> None:
    """Has the system kill this process as soon as its parent is gone; Linux alone can do that."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    parent = parent_process()
    if parent is not None and not parent.is_alive():  # it was killed before that
        signal.raise_signal(signal.SIGKILL)
