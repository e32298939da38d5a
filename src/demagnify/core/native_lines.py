"""What libraries in C print on stderr while they decode a file."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STDERR: Final = 2
_LIBTIFF: Final = re.compile(r"_?[A-Za-z0-9][\w/.-]*: .*\.")
_HARMLESS: Final = re.compile(r"custom tag \d+ .* is TIFF_SETGET_UNDEFINED")
_lock: Final = threading.Lock()


@contextmanager
def libtiff_errors() -> Iterator[list[str]]:
    """Collects the errors of libtiff in a list that is filled at the end of the block.

    They would reach the terminal as they are. What else is written there meanwhile is passed on.
    """
    found: list[str] = []
    with _lock, _collected(found):
        yield found


@contextmanager
def _collected(found: list[str]) -> Iterator[None]:
    try:
        before = os.dup(STDERR)
    except OSError:  # it is closed
        yield
        return
    try:
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), STDERR)
            try:
                yield
            finally:
                os.dup2(before, STDERR)
                file.seek(0)
                found += _sorted_out(file.read())
    finally:
        os.close(before)


def _sorted_out(content: bytes) -> list[str]:
    """Returns the errors in what was written to stderr, and writes there what is none."""
    errors = []
    for line in content.splitlines(keepends=True):
        text = line.decode("utf-8", "replace").strip()
        if not _LIBTIFF.fullmatch(text):
            os.write(STDERR, line)
        elif not _HARMLESS.search(text):
            errors.append(text)
    return errors
