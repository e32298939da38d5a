"""Showing an evaluation on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from demagnify.evaluation import EvaluationResult

_COLUMN: Final = 13


def show_result(result: EvaluationResult) -> None:
    """Prints what happened in words, and the main table, on standard output."""
    from rich.console import Console
    from rich.table import Table

    from demagnify.evaluation.report import all_tables, tell

    # Names of attacks are names of files: brackets in them are no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    story = tell(result)
    main = all_tables(result)[0]
    table = Table(title=main.caption, title_justify="left", show_lines=True)
    for number, name in enumerate(main.head):
        table.add_column(name, justify="left" if number == 0 else "right")
    roomy = console.width >= _COLUMN * len(main.head)  # else the intervals would be cut
    for row in main.rows:
        table.add_row(
            *(f"{one.value}\n{one.span}" if one.span and roomy else one.value for one in row)
        )
    console.print(f"\n{story.headline}", style="bold")
    console.print(" ".join(story.sentences))
    console.print()
    console.print(table)
    for note in main.notes:
        console.print(note, style="dim")
