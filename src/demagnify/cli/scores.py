"""`demagnify scores`: the scores of a run as a table that other tools read, and theirs measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from demagnify.cli import EXIT_SOME_SKIPPED
from demagnify.cli.console import plain_console, say, say_json, show_table
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, Option
from demagnify.core.printing import count, printable

if TYPE_CHECKING:
    from demagnify.evaluation.metrics import MetricName
    from demagnify.evaluation.suite.row import Statistics

_SPLIT = Option("--split", "split", "The split of an evaluation.", "default: test", default="test")


@verb(
    "export",
    Argument("run", "What evaluate or bench run wrote.", type=PATH),
    Argument("output", "The folder or file to write; the format says which.", type=PATH),
    Option(
        "--format",
        "format_name",
        "deepfake-workbench (a folder), deepsafe-bench (a .csv.gz file), or package.module:Class.",
        "required",
        required=True,
    ),
    _SPLIT,
    extra="data",
)
def export(run: Path, output: Path, format_name: str, split: str) -> None:
    """Write the scores of a run in the format of another benchmark.

    deepfake-workbench: a score file with its metadata per method and condition, for `dfwb eval`.
    deepsafe-bench: one prediction matrix, a line per face and condition. Scores are P(fake), 0.5
    at the method's threshold.
    """
    from demagnify.evaluation.exchange import create, load_run

    kind, scores = create(format_name), load_run(run, split=split)
    written = kind.write(scores, output)
    faces = len({face for one in scores.columns for face in one.faces})
    say(
        f"{printable(output)}: {count(len(written), 'file')}, "
        f"{count(len(scores.columns), 'column')}, {count(faces, 'face')}"
    )
    if scores.skipped:
        say(
            f"left out: {count(scores.skipped, 'file')} that the run could not use, without label",
            err=True,
        )
        raise click.exceptions.Exit(EXIT_SOME_SKIPPED)


@verb(
    "measure",
    Argument("sources", "Runs, or files of scores.", type=PATH, nargs=-1, required=True),
    _SPLIT,
    Option("--json", "as_json", "Print every metric as JSON.", is_flag=True),
    Config("demagnify.evaluation.suite.row:Statistics"),
    extra="data",
)
def measure(sources: tuple[Path, ...], config: Statistics, *, split: str, as_json: bool) -> None:
    """Compute the figures of scores again: of a run, or of files that other tools wrote.

    Takes what evaluate, bench run and scores export wrote, score files of deepfake-workbench and
    prediction matrices of deepsafe-bench. Intervals are bootstrapped over groups, or over faces
    where a file names no groups.
    """
    from demagnify.evaluation.exchange import load_scores
    from demagnify.evaluation.words import with_span

    found = [
        (run, column, column.measure(config))
        for run in (load_scores(source, split=split) for source in sources)
        for column in run.columns
    ]
    if as_json:
        say_json(
            [
                {
                    "run": run.name,
                    "split": run.split,
                    "condition": column.condition,
                    "method": column.method,
                    "n": len(column.labels),
                    "missing": column.missing,
                    "metrics": {name: one.model_dump() for name, one in figures.items()},
                }
                for run, column, figures in found
            ],
            indent=1,
        )
        return
    names: tuple[MetricName, ...] = ("balanced_accuracy", "auc", "eer", "fpr")
    rows = [
        (
            f"{column.method}, {column.condition}",
            str(len(column.labels)) + (f" ({column.missing} missing)" if column.missing else ""),
            *(with_span(figures[name]) for name in names),
        )
        for _, column, figures in found
    ]
    head = ("method, condition", "n", "balanced accuracy", "AUC", "EER", "FPR")
    title = f"in %, {100 * config.confidence:g} % intervals"
    show_table(plain_console(), head, rows, title=title)
