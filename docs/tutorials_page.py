"""Runs the tutorials and writes their pages: `python docs/tutorials_page.py [NAME ...]`.

A tutorial is a Python file in jupytext's percent format, docs/tutorials/NAME.py. It runs as a
script and opens as a notebook (`jupytext --to notebook`). Its page, NAME.md, holds the cells with
what they print and draw. Cells with the tag "photographs" draw photographs that may not be
published: the page leaves their pictures out and says so.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "tutorials"
_CELL: Final = re.compile(r"^# %%(.*)\n", re.MULTILINE)
_LEFT_OUT: Final = (
    "*The pictures of this cell show photographs that are not part of this repository. Run the "
    "tutorial to see them.*"
)


@dataclass(frozen=True)
class Cell:
    """A cell: its source, and the words after "# %%"."""

    source: str
    marks: str

    @property
    def is_text(self) -> bool:
        """Whether it is Markdown."""
        return "[markdown]" in self.marks

    def markdown(self) -> str:
        """Returns the source as it stands on the page."""
        if self.is_text:
            return "\n".join(line.removeprefix("#").removeprefix(" ") for line in self.lines())
        return f"```python\n{self.source.strip()}\n```"

    def lines(self) -> list[str]:
        """Returns the lines of the source."""
        return self.source.strip().splitlines()


def cells(path: Path) -> list[Cell]:
    """Returns the cells of a tutorial."""
    _, *parts = _CELL.split(path.read_text(encoding="utf-8"))
    return [Cell(source, marks) for marks, source in zip(parts[::2], parts[1::2], strict=True)]


def write(path: Path) -> None:
    """Runs a tutorial in an empty folder, and writes its page and pictures."""
    import matplotlib as mpl

    mpl.use("agg")
    session: dict[str, Any] = {"__name__": "__main__"}
    parts = [f"<!-- Written by docs/tutorials_page.py from {path.name}; do not edit. -->"]
    for old in path.parent.glob(f"{path.stem}-*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for number, cell in enumerate(cells(path), start=1):
            parts.append(cell.markdown())
            if not cell.is_text:
                parts += _run(cell, number, path, session)
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _run(cell: Cell, number: int, path: Path, session: dict[str, Any]) -> Iterator[str]:
    """Runs a cell; yields what it printed, and links to what it drew."""
    import matplotlib.pyplot as plt

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = compile(cell.source, path.name, "exec", dont_inherit=True)
        exec(code, session)  # noqa: S102  that is its purpose
    if text := printed.getvalue().rstrip():
        yield f"```text\n{text}\n```"
    for place, figure in enumerate(map(plt.figure, plt.get_fignums()), start=1):
        if "photographs" in cell.marks:
            yield _LEFT_OUT
        else:
            name = f"{path.stem}-{number}-{place}.png"
            figure.savefig(path.parent / name, dpi=100, metadata={"Software": None})
            yield f"![What the cell draws]({name})"
    plt.close("all")


def main() -> None:
    """Writes the pages of the named tutorials, or of all."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for path in sorted(FOLDER.glob("*.py")):
        if not sys.argv[1:] or path.stem in sys.argv[1:]:
            write(path)


if __name__ == "__main__":
    main()
