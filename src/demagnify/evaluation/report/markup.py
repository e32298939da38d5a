"""Tables as Markdown and as LaTeX (booktabs)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from demagnify.evaluation.report.tables import Entry, Table

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{EN DASH}": "--",
}
_LATEX_PATTERN: Final = re.compile("|".join(re.escape(mark) for mark in _LATEX))
_LATEX_HEAD: Final = "% Needs \\usepackage{booktabs,longtable}.\n"
_LONG: Final = 30


def markdown(title: str, sentences: Sequence[str], tables: Sequence[Table]) -> str:
    """Returns what happened and the tables in GitHub's Markdown."""
    parts = [f"# {escape_markdown(title)}", *map(escape_markdown, sentences)]
    return "\n\n".join([*parts, *(markdown_table(table) for table in tables)])


def latex(tables: Sequence[Table]) -> str:
    """Returns tables in LaTeX, to be included with LaTeX's input command."""
    return _LATEX_HEAD + "\n".join(_latex(table) for table in tables)


def escape_latex(text: str) -> str:
    """Returns `text` so that LaTeX prints it as it is."""
    return _LATEX_PATTERN.sub(lambda match: _LATEX[match[0]], " ".join(text.split()))


def escape_markdown(text: str) -> str:
    """Returns `text` so that a Markdown table prints it as it is."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def markdown_table(table: Table) -> str:
    """Returns one table in Markdown."""
    lines = [f"**{escape_markdown(table.caption)}**", ""]
    lines.append(_markdown_row(table.head))
    lines.append("|" + "|".join([":--"] + ["--:"] * (len(table.head) - 1)) + "|")
    lines += [_markdown_row([str(entry) for entry in row]) for row in table.rows]
    lines += ["", *(f"{escape_markdown(note)}  " for note in table.notes), ""]
    return "\n".join(lines)


def _markdown_row(fields: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(text) for text in fields) + " |"


def _latex(table: Table) -> str:
    columns = "l" * table.words + "r" * (len(table.head) - table.words)
    head = _latex_row([Entry(text) for text in table.head])
    body = [_latex_row(row) for row in table.rows]
    caption = escape_latex(re.sub(r"^Table \d+\. ", "", table.caption))
    label = re.sub(r"[^a-z0-9-]", "-", table.name.lower())
    title = rf"\caption{{{caption}}}\label{{tab:{label}}}"
    notes = [rf"\par {escape_latex(note)}" for note in table.notes]
    if len(table.rows) > _LONG:
        return "\n".join(
            [
                r"{\footnotesize\setlength{\tabcolsep}{4pt}",
                rf"\begin{{longtable}}{{{columns}}}",
                title + r" \\",
                r"\toprule",
                head,
                r"\midrule",
                r"\endhead",
                *body,
                r"\bottomrule",
                r"\end{longtable}}",
                "",
            ]
        )
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            title,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def _latex_row(row: Sequence[Entry]) -> str:
    return " & ".join(escape_latex(str(entry)) for entry in row) + r" \\"
