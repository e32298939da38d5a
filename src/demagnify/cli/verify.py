"""`demagnify verify`: checks a case report."""

from __future__ import annotations

from pathlib import Path

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT
from demagnify.cli.console import say
from demagnify.cli.generate import verb
from demagnify.cli.options import PATH, Argument, Option
from demagnify.core.printing import count, printable


@verb(
    "verify",
    Argument("case", "A folder that detect --report wrote.", type=PATH),
    Option(
        "--inputs",
        "inputs",
        "The folder in which detect ran, where relative paths of inputs begin.",
        "default: the present folder",
        type=PATH,
        default=Path(),
    ),
)
def verify(case: Path, *, inputs: Path) -> None:
    """Check a case report: hashes of all files, and every answer computed again.

    Of a case that another version wrote the page is checked by its hash alone; a line says so.

    Prints what has changed, a line each, and ends with exit code 1 if anything has.
    """
    from demagnify.inference.case import CaseDocument, verify_case

    faults = verify_case(case, inputs=inputs, on_note=lambda note: say(printable(note)))
    for fault in faults:
        say(printable(fault))
    if faults:
        raise click.exceptions.Exit(EXIT_FAULT_OF_INPUT)
    found = CaseDocument.read(case).inputs
    answers = sum(len(one.faces or (one.clip or {}).get("tracks", ())) for one in found)
    without = sum(one.problem is not None for one in found)
    recorded = f"{count(answers, 'answer')} as recorded" if answers else "it holds no answer"
    partly = f"; {count(without, 'file')} with no answer, or not a whole one" if without else ""
    say(f"{printable(case)}: all files are unchanged, {recorded}{partly}")
