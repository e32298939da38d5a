"""A run folder as a page to look at and as tables to paste."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demagnify.core.files import write_text
from demagnify.evaluation.report import markup
from demagnify.evaluation.report.page import render
from demagnify.evaluation.report.story import Story, story_of
from demagnify.evaluation.report.summary import all_tables
from demagnify.evaluation.run_folder import load_examples, load_result

__all__ = ["ReportFiles", "Story", "all_tables", "story_of", "write_report"]


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """What `write_report` wrote.

    Attributes:
        html: The page; it stands by itself.
        markdown: The tables for a README.
        latex: The tables for a paper, to be included with LaTeX's input command.
    """

    html: Path
    markdown: Path
    latex: Path


def write_report(folder: Path, *, output: Path | None = None) -> ReportFiles:
    """Makes report.html, report.md and report.tex from a run folder alone.

    Args:
        folder: What `Evaluation.save` wrote: results.json, and examples/ if there are any.
        output: Where to write; the run folder if None.

    Raises:
        BadArtifactError: If results.json is missing, damaged, or something else.
        BadOutputError: If the place cannot be written to.
    """
    result = load_result(folder)
    target = output or folder
    files = ReportFiles(target / "report.html", target / "report.md", target / "report.tex")
    write_text(files.html, render(result, load_examples(folder)))
    story, listed = story_of(result), all_tables(result)
    write_text(files.markdown, markup.markdown(story.headline, story.sentences, listed))
    write_text(files.latex, markup.latex(listed))
    return files
