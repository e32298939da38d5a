"""The verbs of the command line, put together."""

from __future__ import annotations

import click

from demagnify import __version__
from demagnify.cli.adaptive_attack import adaptive_attack
from demagnify.cli.assets import assets
from demagnify.cli.attack import attack
from demagnify.cli.data import describe, prepare
from demagnify.cli.demo import demo
from demagnify.cli.detect import detect
from demagnify.cli.evaluate import evaluate
from demagnify.cli.generate import Group
from demagnify.cli.harden import harden
from demagnify.cli.report import report
from demagnify.cli.sample import sample
from demagnify.cli.train import train_defense, train_detector

data = Group(
    "data",
    {"Commands": [describe, prepare]},
    help="Look at data sets, and get them ready: describe, prepare.",
)

app = Group(
    "demagnify",
    {
        "Start here": [demo, detect],
        "The research loop": [
            sample,
            train_detector,
            harden,
            attack,
            adaptive_attack,
            train_defense,
            evaluate,
            report,
            data,
        ],
        "More": [assets],
    },
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda ctx, _one, wanted: _print_version(ctx) if wanted else None,
            help="Print the version and stop.",
        )
    ],
    help="""Defend deepfake detectors against super-resolution laundering.

    An attacker shrinks a face, rebuilds it with a super-resolution network and pastes it back;
    the traces that detectors read are gone. demagnify runs that attack, trains an agent that
    corrects faces before the detector, and classifies photographs with the defended detector.

    Start here: `demagnify demo` runs everything on real photographs and writes a report;
    `demagnify detect photo.jpg` classifies a photograph.

    The research loop: sample (or your own data), train-detector, attack, train-defense,
    evaluate, report.

    Exit codes: 0 done; 1 an input or a setting is at fault; 2 wrong usage; 3 done, but some
    inputs were skipped; 130 interrupted (the same command goes on where it was).
    """,
)


def _print_version(ctx: click.Context) -> None:
    click.echo(f"demagnify {__version__}")
    ctx.exit()
