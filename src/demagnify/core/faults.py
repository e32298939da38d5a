"""Faults of the machine (disk, memory, rights, network) in one line.

Libraries raise a dozen classes for them. `explain` is asked once, where a command ends.
"""

from __future__ import annotations

import errno
import re
from typing import Final

from demagnify.core.files import full_disk

_MEMORY: Final = re.compile(
    r"(?i)out of memory|could not create a(?: \w+)* primitive|can't allocate memory|insufficient "
    r"memory|not enough memory|failed to allocate|unable to allocate|cannot allocate memory|"
    r"bad_alloc|bad allocation|could not initialize a memory|failed to map segment"
)
_THREADS: Final = re.compile(r"(?i)can't start new thread|Resource temporarily unavailable")
_HOME: Final = re.compile(r"(?i)could not (?:determine|find)[\w ]*home")
_LIBRARIES: Final = frozenset(
    {"safetensors", "safetensors_rust", "sqlite3", "pyarrow", "zipfile", "httpx", "httpcore"}
)
"""Packages whose own errors are about a file or the network, not about our code."""
_LONGEST: Final = 300


def explain(error: BaseException) -> str | None:
    """Returns a fault of the machine or of a file in one line; None for a fault of ours.

    Args:
        error: What ended a command.

    Example:
        >>> explain(MemoryError())
        'there is not enough memory (take smaller batches or images, or close other programs)'
        >>> explain(ZeroDivisionError("ours"))
    """
    text = _line(error)
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        return (
            "there is not enough memory (take smaller batches or images, or close other programs)"
        )
    if full := full_disk(error):
        place = getattr(error, "filename", None)
        return f"cannot write{f' {place}' if place else ''}: {full} (make room, and run it again)"
    if _HOME.search(text):
        return (
            "there is no home folder to keep things in (set HOME, or DEMAGNIFY_CACHE to a folder)"
        )
    if isinstance(error, RuntimeError | OSError) and _THREADS.search(text):
        return "the system allows no more threads or processes (try --threads 1)"
    if isinstance(error, OSError):
        return _of_system(error, text)
    if isinstance(error, RecursionError):
        return "a file is nested too deep to be read"
    if isinstance(error, UnicodeError):
        return f"a text cannot be read or written: {text}"
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if modules & _LIBRARIES or "is encrypted" in text:
        return f"a file cannot be read or written: {text}"
    return None


def _of_system(error: OSError, text: str) -> str:
    if error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        return f"{name[:60]}...: the name is too long for a file ({len(name)} letters)"
    if error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return text


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
