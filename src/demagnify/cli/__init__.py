"""The command line. `main` is what the `demagnify` command runs."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import warnings
from contextlib import suppress
from typing import TextIO

import click

from demagnify.core import threads
from demagnify.core.errors import DemagnifyError, DemagnifyWarning
from demagnify.core.faults import explain
from demagnify.core.memory import keep_freed_memory
from demagnify.core.printing import printable

EXIT_FAULT_OF_INPUT = 1
EXIT_SOME_SKIPPED = 3
EXIT_INTERRUPTED = 130


def main() -> None:
    """Runs the command line and turns errors that a user can mend into one line.

    Exit codes: 0 all done; 1 the input, a setting, a file or the machine is at fault; 2 the command
    was written wrongly; 3 done, but some inputs were skipped; 130 interrupted.
    """
    _open_streams()
    # pydantic would read the entry points of every installed package at each start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    threads.prepare()
    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may be any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    # Pillow warns where `images` refuses in words of its own, and of tags that nobody reads.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    # Figures show a box for a letter that their font lacks.
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    warnings.showwarning = _show_warning
    raise SystemExit(_run())


def _run() -> int:
    """Runs the command and returns its exit code."""
    try:
        from demagnify.cli.app import app

        code = app.main(prog_name="demagnify", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        buffer = io.StringIO()
        error.show(buffer)
        _say(printable(buffer.getvalue(), lines=True))
        return error.exit_code
    except click.Abort:
        return EXIT_FAULT_OF_INPUT
    except DemagnifyError as error:
        _say(f"demagnify: {printable(error)}\n")
        return error.exit_code
    except Exception as error:
        _drop_output()
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            return EXIT_FAULT_OF_INPUT  # nobody reads any more, as in `demagnify ... | head`
        line = explain(error)
        if line is None:
            raise
        _say(f"demagnify: {printable(line)}\n")
        return EXIT_FAULT_OF_INPUT


def _open_streams() -> None:
    """Opens streams that the caller closed, so that no file takes their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def _drop_output() -> None:
    """Lets what still waits for a full disk or closed pipe go nowhere, instead of failing again."""
    with suppress(OSError, ValueError):
        number = sys.stdout.fileno()
        try:
            sys.stdout.flush()
        except OSError:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, number)
            os.close(sink)


def _say(text: str) -> None:
    """Writes to stderr, if anybody can be reached there."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001  as Python calls it
    line: str | None = None,
) -> None:
    """Shows what the user should know in one line, and the warnings of libraries as ever."""
    if issubclass(category, DemagnifyWarning):
        _say(f"demagnify: {printable(message)}\n")
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        _say(printable(text, lines=True))
