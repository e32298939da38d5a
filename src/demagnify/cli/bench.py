"""`demagnify bench`: rows of a benchmark that others can enter, verify and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT
from demagnify.cli.console import (
    Skips,
    command_line,
    plain_console,
    say,
    say_json,
    say_wrapped,
    show_table,
)
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, Option, data, output
from demagnify.core.printing import count, printable

if TYPE_CHECKING:
    from demagnify.evaluation.suite import SuiteConfig


@verb(
    "run",
    output("runs/row"),
    data("Labelled faces with the split of the suite (test)."),
    Config("demagnify.evaluation.suite:SuiteConfig"),
)
def run(data: tuple[Path, ...], output: Path, config: SuiteConfig) -> None:
    """Evaluate a detector or defence under every condition of a suite, and write its row.

    Writes row.json and scores.csv.gz, one line per face and condition, without pictures. Nothing
    is chosen on these faces. A killed run goes on where it was.
    """
    from demagnify.evaluation.suite import load_suite

    load_suite(config.suite)  # a misspelt name is told before torch is imported
    from demagnify.evaluation.suite import run_suite
    from demagnify.evaluation.words import with_span

    skips = Skips()
    row = run_suite(data, output, config, command=command_line(), log=say, on_skip=skips)
    for one in row.figures.summaries:
        say_wrapped(
            f"{row.name}, {one.method}: balanced accuracy in % {with_span(one.clean)} clean, "
            f"{with_span(one.attacked)} attacked, {with_span(one.worst)} at worst "
            f"({one.worst_condition})"
        )
    say(f"written to {output}; check it with: demagnify bench verify {output}")
    skips.end()


@verb("verify", Argument("row", "A row.json, or its folder.", type=PATH))
def verify(row: Path) -> None:
    """Check a row: its hashes, and every figure computed again from the scores.

    Needs neither pictures nor torch. Prints what has changed, a line each, and ends with exit
    code 1 if anything has.
    """
    from demagnify.evaluation.suite import verify_row

    faults = verify_row(row)
    for fault in faults:
        say(printable(fault))
    if faults:
        raise click.exceptions.Exit(EXIT_FAULT_OF_INPUT)
    say(f"{printable(row)}: unchanged, and every figure follows from the scores")


@verb(
    "compare",
    Argument("first", "A row.json, or its folder.", type=PATH),
    Argument("second", "Another of the same suite and faces.", type=PATH),
    Option("--json", "as_json", "Print JSON.", is_flag=True),
)
def compare(first: Path, second: Path, *, as_json: bool) -> None:
    """Compare two rows by paired tests: the first minus the second, on the same faces.

    The intervals are bootstrapped over groups; p is McNemar's exact test after Holm's correction
    for all conditions. Both rows are verified first.
    """
    from demagnify.evaluation.suite import compare_rows
    from demagnify.evaluation.words import condition_name, p_value, with_point_span

    found = compare_rows(first, second)
    if as_json:
        say_json(found.model_dump(mode="json"), indent=1)
        return
    size = f"{count(found.faces, 'face')} in {count(found.groups, 'group')}"
    say(f"{found.first} minus {found.second}, in points: {size}")
    tested = [
        (
            condition_name(one.condition),
            with_point_span(one.metrics["balanced_accuracy"]),
            f"{one.mended} / {one.broken}",
            p_value(one.mcnemar_holm),
        )
        for one in found.conditions
    ]
    head = ("condition", "balanced accuracy", "only 1st / 2nd right", "p (Holm)")
    show_table(plain_console(), head, tested)
    others = [
        (
            condition_name(one.condition),
            *(with_point_span(one.metrics[key]) for key in ("auc", "fpr")),
        )
        for one in found.conditions
    ]
    show_table(plain_console(), ("condition", "AUC", "FPR"), others)
    gain = with_point_span(found.mean_gain)
    say(f"mean gain in balanced accuracy under attack, in points: {gain}")


@verb(
    "leaderboard",
    Argument("rows", "A folder with rows, at any depth.", type=PATH),
    Argument("page", "The page to write.", type=PATH, default="leaderboard.md"),
)
def leaderboard(rows: Path, page: Path) -> None:
    """Write the leaderboard of all rows in a folder as a page of Markdown.

    Every row is verified first; one that has changed is refused. Only a page that this command
    made is replaced.
    """
    from demagnify.core.files import write_text
    from demagnify.evaluation.suite import check_replaceable
    from demagnify.evaluation.suite import leaderboard as make_page

    check_replaceable(page)
    write_text(page, make_page(rows))
    say(f"wrote {page}")
