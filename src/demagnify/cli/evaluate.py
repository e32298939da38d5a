"""`demagnify evaluate`: what a defence gains, under which attack, and how sure that is."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from demagnify.cli.options import Attacks, Device, Limit, Precision, Seed, Strict
from demagnify.cli.present import show_result
from demagnify.cli.skips import Skips


def run(
    data: Annotated[
        list[Path],
        typer.Option(help="Labelled faces with the splits val and test; may be given often."),
    ],
    output: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("runs/evaluation"),
    defense: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder that train-defense wrote (with --seeds: all its trainings as one row), "
            "one that is shipped, or any detector as in train-defense --detector (then there is "
            "no agent). Give it several times for several rows, NAME=FOLDER to name them; one "
            "name given again adds another training to its row. [default: runs/defense]"
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="The detector whose undefended figures all are measured against; by default the "
            "one that the first defence's detector was hardened from, else the first's own."
        ),
    ] = None,
    attack: Attacks = None,
    faces: Annotated[
        Literal["all", "fakes", "reals"], typer.Option(help="Which faces are attacked.")
    ] = "all",
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side in pixels at which faces are attacked, such as that of the files; they are "
            "then brought to the detector's, which is taken if not set.",
        ),
    ] = None,
    attack_dtype: Annotated[
        Literal["auto", "float32", "bfloat16"],
        typer.Option(
            metavar="TYPE",
            help="float32, bfloat16 or auto: in what the attacks' networks compute. bfloat16 "
            "is several times faster on processors that have it, and moves pixels by less than one "
            "grey level.",
        ),
    ] = "float32",
    limit: Limit = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--fit-baselines/--no-fit-baselines",
            help="Fit the baselines that learn on the split val, too.",
        ),
    ] = True,
    resamples: Annotated[int, typer.Option(min=20, help="Bootstrap resamples over groups.")] = 1000,
    title: Annotated[str, typer.Option(help="A name for the run, for the report.")] = "",
    seed: Seed = 0,
    strict: Strict = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Evaluate defences beside all baselines, clean and under each --attack.

    Writes results.json, predictions.csv, examples/, report.html and the tables. Baselines are
    chosen on the split val, under attacks that some defence has seen; the split test is only
    evaluated.
    """
    from demagnify.evaluation import EvaluationConfig, evaluate

    config = EvaluationConfig(
        defenses=defense or ("runs/defense",),
        attacks=attack or (),
        base=base,
        faces=faces,
        attack_precision=attack_dtype,
        size=size,
        subsample=limit,
        seed=seed,
        resamples=resamples,
        fit_baselines=baselines,
        title=title or output.name,
        strict=strict,
        device=device,
        precision=precision,
    )
    skips = Skips()
    command = shlex.join(["demagnify", *sys.argv[1:]])
    evaluation = evaluate(data, config, output, command=command, on_skip=skips)
    show_result(evaluation.result)
    typer.echo(f"look at {output / 'report.html'}")
    skips.end()
