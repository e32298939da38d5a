"""Showing results on a terminal."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Literal

import click

from demagnify.cli import EXIT_FAULT_OF_INPUT, EXIT_SOME_SKIPPED
from demagnify.core.printing import count, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from demagnify.core.engine import Summary
    from demagnify.evaluation import EvaluationResult
    from demagnify.evaluation.report.tables import Table as Figures


def say(text: object = "", *, err: bool = False) -> None:
    """Prints lines; what could move the cursor or turn the text round is escaped.

    Args:
        text: What is printed.
        err: Whether it goes to stderr, where a full or closed stream stops no work.
    """
    with suppress(OSError) if err else nullcontext():
        click.echo(printable(text, lines=True), err=err)


def say_wrapped(text: str, *, err: bool = False) -> None:
    """Prints a sentence in lines no wider than the terminal: 80 characters where there is none.

    Args:
        text: What is printed; further lines are indented by two blanks more than the first.
        err: As in `say`.
    """
    indent = text[: len(text) - len(text.lstrip(" "))]
    lines = textwrap.fill(
        printable(text),
        shutil.get_terminal_size().columns,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    say(lines, err=err)


def say_json(value: object, **how: Any) -> None:  # noqa: ANN401  as json.dumps
    """Prints JSON that every terminal and every encoding can hold: ASCII without DEL."""
    click.echo(json.dumps(value, ensure_ascii=True, **how).replace("\x7f", "\\u007f"))


def command_line() -> str:
    """Returns the command line, for the record of a run."""
    return shlex.join(["demagnify", *sys.argv[1:]])


class Skips:
    """Prints each file or line that is left out on stderr, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, skipped: object) -> None:
        """Prints one."""
        self._count += 1
        say(f"skipped {printable(skipped)}", err=True)

    def end(self, more: Iterable[object] = ()) -> None:
        """Prints `more`, and ends the command with its own exit code if something was skipped."""
        for one in more:
            self(one)
        if self._count:
            raise click.exceptions.Exit(EXIT_SOME_SKIPPED)


def show_summary(found: Summary) -> None:
    """Prints what an engine run came to; ends with its own exit code if inputs were skipped."""
    rate = found.items / found.seconds if found.seconds and not found.found else 0
    say(
        f"{count(found.items, 'input')}: {count(found.results, 'face')}, {found.skipped} left out; "
        f"{count(found.rows, 'row')} in {count(found.units, 'shard')} "
        f"in {found.seconds:.1f} s"
        + (f" ({rate:.1f} inputs/s)" if rate else "")
        + (f"; {found.found} of the shards were there" if found.found else "")
        + (f"; {found.lost} worker processes died and were replaced" if found.lost else "")
    )
    for reason, number in found.reasons.items():
        say(f"skipped {number}: {printable(reason)}", err=True)
    say(f"{printable(found.output)}: shards/, skipped.csv, summary.json", err=True)
    if found.skipped:
        raise click.exceptions.Exit(EXIT_SOME_SKIPPED if found.results else EXIT_FAULT_OF_INPUT)


def plain_console() -> Console:
    """Returns a console that prints names of files as they are: brackets are no markup."""
    from rich.console import Console

    class Plain(Console):
        """Escapes every text, those in tables too."""

        def render_str(self, text: str, **how: Any) -> Text:  # noqa: ANN401  as rich
            """Renders a text of which nothing reaches the terminal but letters."""
            return super().render_str(printable(text, lines=True), **how)

    return Plain(markup=False, emoji=False, highlight=False)


def show_table(
    console: Console, head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = ""
) -> None:
    """Prints a table, and cuts nothing: where it is too wide, each row becomes a list.

    Args:
        console: Where it is printed.
        head: Headings of the columns.
        rows: The cells; the first of a row is its heading. Lines of a cell may be broken.
        title: Stands above the table.
    """
    from rich.table import Table

    rows = [list(row) for row in rows]
    columns = list(zip(head, *rows, strict=True))
    widths = _widths(columns, console.width)
    if widths:
        broken = any(
            len(line) > width or "\n" in cell
            for column, width in zip(columns, widths, strict=True)
            for cell in column[1:]
            for line in cell.splitlines()
        )
        table = Table(title=title or None, title_justify="left", show_lines=broken)
        for name, cells, width in zip(head, columns, widths, strict=True):
            numeric = all(cell[-1:].isdigit() or len(cell) < 2 for cell in cells[1:])
            side: Literal["right", "left"] = "right" if numeric else "left"
            table.add_column(name, justify=side, overflow="fold", width=width)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    if title:
        console.print(title, style="italic")
    for first, *rest in rows:
        console.print(f"{head[0]}: {first}".replace("\n", " "), style="bold")
        block = Table.grid(padding=(0, 2))
        block.add_column(overflow="fold")
        block.add_column(overflow="fold")
        for name, cell in zip(head[1:], rest, strict=True):
            block.add_row(f"  {name}", cell.replace("\n", " "))
        console.print(block)


def _widths(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """Returns the widths of columns in which no word is broken; none if they are too wide.

    What is left goes to cells whose lines would be broken, then to headings.
    """
    widths = [max(map(_longest_word, one)) for one in columns]
    spare = width - sum(widths) - 3 * len(widths) - 1  # a border and two blanks for each
    if spare < 0:
        return []
    for cells in ([one[1:] for one in columns], columns):
        lacking = [max(0, _longest_line(one) - has) for one, has in zip(cells, widths, strict=True)]
        order = sorted(range(len(widths)), key=lacking.__getitem__)
        for done, column in enumerate(order):
            more = min(lacking[column], spare // (len(order) - done))
            widths[column] += more
            spare -= more
    return widths


def _longest_line(cells: Sequence[str]) -> int:
    return max((len(line) for cell in cells for line in cell.splitlines()), default=0)


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def show_figures(console: Console, table: Figures) -> None:
    """Prints a table of the report with its notes; intervals stand below their figures."""
    rows = [
        [f"{one.value}\n{one.span}" if one.span else one.value for one in row] for row in table.rows
    ]
    show_table(console, table.head, rows, title=table.caption)
    for note in table.notes:
        console.print(note, style="dim")


def show_evaluation(result: EvaluationResult) -> None:
    """Prints the result of an evaluation in words, and its main table."""
    from demagnify.evaluation.report import story_of
    from demagnify.evaluation.report.tables import main_table

    console, story = plain_console(), story_of(result)
    console.print(f"\n{story.headline}", style="bold")
    console.print(" ".join(story.sentences))
    console.print()
    show_figures(console, main_table(result))
