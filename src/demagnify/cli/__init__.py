"""The command line. `main` is what the `demagnify` command runs."""

from __future__ import annotations

import io
import sys
import warnings
from typing import TextIO

from demagnify.core.errors import DemagnifyError, DemagnifyWarning
from demagnify.core.memory import keep_freed_memory

EXIT_FAULT_OF_INPUT = 1
EXIT_SOME_SKIPPED = 3
EXIT_INTERRUPTED = 130


def main() -> None:
    """Runs the command line and turns errors that a user can mend into one line.

    Exit codes: 0 all done; 1 the input, a setting or a file is at fault; 2 the command was
    written wrongly; 3 done, but some inputs were skipped; 130 interrupted.
    """
    from demagnify.cli.app import app

    keep_freed_memory()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may be any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    # Pillow warns where `images` refuses in words of its own.
    warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
    warnings.showwarning = _show_warning
    try:
        app(prog_name="demagnify")
    except DemagnifyError as error:
        sys.stderr.write(f"demagnify: {error}\n")
        raise SystemExit(error.exit_code) from None


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Shows what the user should know in one line, and the warnings of libraries as ever."""
    if issubclass(category, DemagnifyWarning):
        sys.stderr.write(f"demagnify: {message}\n")
    else:
        stream = file or sys.stderr
        stream.write(warnings.formatwarning(message, category, filename, lineno, line))
