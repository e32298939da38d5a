"""The verbs of the command line, put together. Each verb lives in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from demagnify import __version__
from demagnify.cli import (
    adaptive_attack,
    assets,
    attack,
    data,
    demo,
    detect,
    evaluate,
    harden,
    report,
    sample,
    train_defense,
    train_detector,
)

app = typer.Typer(
    name="demagnify",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"demagnify {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Defend deepfake detectors against super-resolution laundering.

    An attacker shrinks a face, rebuilds it with a super-resolution network and pastes it back;
    the traces that detectors read are gone. demagnify runs that attack, trains an agent that
    answers it, and judges photographs with the defended detector.

    **Start here:** `demagnify demo` runs everything on real photographs and writes a report;
    `demagnify detect photo.jpg` judges a photograph.

    **The research loop:** `sample` (or your own data), `train-detector`, `attack`,
    `train-defense`, `evaluate`, `report`.

    Exit codes: 0 done; 1 an input or a setting is at fault; 2 wrong usage; 3 done, but some
    inputs were skipped; 130 interrupted (the same command goes on where it was).
    """


app.command("demo", rich_help_panel="Start here")(demo.run)
app.command("detect", rich_help_panel="Start here")(detect.run)
app.command("sample", rich_help_panel="The research loop")(sample.run)
app.command("train-detector", rich_help_panel="The research loop")(train_detector.run)
app.command("harden", rich_help_panel="The research loop")(harden.run)
app.command("attack", rich_help_panel="The research loop")(attack.run)
app.command("adaptive-attack", rich_help_panel="The research loop")(adaptive_attack.run)
app.command("train-defense", rich_help_panel="The research loop")(train_defense.run)
app.command("evaluate", rich_help_panel="The research loop")(evaluate.run)
app.command("report", rich_help_panel="The research loop")(report.run)
app.add_typer(data.app, name="data", rich_help_panel="The research loop")
app.command("assets", rich_help_panel="More")(assets.run)
