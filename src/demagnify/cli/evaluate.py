"""`demagnify evaluate`: the gain of a defence under each attack; `demagnify report`: its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import Skips, command_line, say, show_evaluation
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Argument, data, output, tracker

if TYPE_CHECKING:
    from demagnify.core.engine import EngineOptions
    from demagnify.evaluation import EvaluationConfig


@verb(
    "evaluate",
    output("runs/evaluation"),
    data("Labelled faces with the splits val and test."),
    tracker("Where the figures go as well"),
    Config(
        "demagnify.evaluation:EvaluationConfig",
        flags={
            "defenses": "--defense",
            "attacks": "--attack",
            "attack_precision": "--attack-dtype",
            "fit_baselines": "--fit-baselines/--no-fit-baselines",
        },
        usual={"title": "the folder's name"},
    ),
    Config("demagnify.core.engine:EngineOptions", into="engine"),
)
def evaluate(
    data: tuple[Path, ...],
    output: Path,
    config: EvaluationConfig,
    engine: EngineOptions,
    tracker: str | None,
) -> None:
    """Evaluate defences beside all baselines, clean and under each --attack.

    Writes results.json, predictions.csv, examples/, report.html and the tables. Baselines are
    chosen on the split val, under attacks that some defence has seen; the split test is only
    evaluated. With --engine, --workers or --unit, worker processes run the detector.
    """
    from demagnify.evaluation import evaluate as evaluate_methods

    config = config if config.title else config.model_copy(update={"title": output.name})
    skips = Skips()
    options = engine if engine.given else None
    evaluation = evaluate_methods(
        data,
        output,
        config,
        command=command_line(),
        tracker=tracker,
        options=options,
        on_skip=skips,
    )
    show_evaluation(evaluation.result)
    say(f"look at {output / 'report.html'}")
    skips.end()


@verb(
    "report",
    Argument("folder", "What evaluate or demo wrote.", type=PATH, default="runs/demo"),
)
def report(folder: Path) -> None:
    """Write the report again from results.json, predictions.csv and the examples alone.

    Makes report.html, which stands by itself, and the tables as Markdown and LaTeX.
    """
    from demagnify.evaluation.report import write_report

    files = write_report(folder)
    for path in (files.html, files.markdown, files.latex):
        say(f"wrote {path}")
