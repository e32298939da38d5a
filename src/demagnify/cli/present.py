"""Showing an evaluation on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demagnify.evaluation import EvaluationResult


def show_result(result: EvaluationResult) -> None:
    """Prints the result in words, and the main table, on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from demagnify.evaluation.report import tell
    from demagnify.evaluation.report.tables import fit_width, main_table

    # Names of attacks are names of files: brackets in them are no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    story = tell(result)
    main = fit_width(main_table(result), console.width)
    table = Table(title=main.caption, title_justify="left", box=box.SIMPLE_HEAD)
    for number, name in enumerate(main.head):
        # A long name continues on the next line: nothing is cut.
        table.add_column(name, justify="left" if number < main.words else "right", overflow="fold")
    for row in main.rows:
        table.add_row(*(f"{one.value}\n{one.span}" if one.span else one.value for one in row))
    console.print(f"\n{story.headline}", style="bold")
    console.print(" ".join(story.sentences))
    console.print()
    console.print(table)
    for note in main.notes:
        console.print(note, style="dim")
