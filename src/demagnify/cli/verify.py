"""`demagnify verify`: checks a case report."""

from __future__ import annotations

from pathlib import Path

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT
from demagnify.cli.console import say
from demagnify.cli.generate import verb
from demagnify.cli.options import PATH, Argument
from demagnify.core.printing import printable


@verb("verify", Argument("case", "A folder that detect --report wrote.", type=PATH))
def verify(case: Path) -> None:
    """Check a case report: hashes of all files, and every answer computed again.

    Of a case that another version wrote the page is checked by its hash alone; a line says so.

    Prints what has changed, a line each, and ends with exit code 1 if anything has.
    """
    from demagnify.inference.case import verify_case

    faults = verify_case(case, on_note=lambda note: say(printable(note)))
    for fault in faults:
        say(printable(fault))
    if faults:
        raise click.exceptions.Exit(EXIT_FAULT_OF_INPUT)
    say(f"{printable(case)}: all files are unchanged, all answers are as recorded")
