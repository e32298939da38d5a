"""What was skipped, told as it comes, and by the exit code."""

from __future__ import annotations

import typer

from demagnify.cli import EXIT_SOME_SKIPPED


class Skips:
    """Tells on stderr of each file or line that is left out, and counts them."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, skipped: object) -> None:
        """Tells of one."""
        self._count += 1
        typer.echo(f"skipped {skipped}", err=True)

    def end(self) -> None:
        """Ends the command with its own exit code if something was skipped."""
        if self._count:
            raise typer.Exit(EXIT_SOME_SKIPPED)
