"""The verbs of the command line, put together."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import click

from demagnify import __version__
from demagnify.cli import EXIT_INTERRUPTED, bench, scores
from demagnify.cli.assets import assets
from demagnify.cli.attack import adaptive_attack, attack
from demagnify.cli.calibrate import calibrate
from demagnify.cli.console import say
from demagnify.cli.data import describe, prepare, sample
from demagnify.cli.data import export as export_data
from demagnify.cli.demo import demo
from demagnify.cli.detect import detect
from demagnify.cli.evaluate import evaluate, report
from demagnify.cli.export import export
from demagnify.cli.generate import CONTEXT
from demagnify.cli.harden import harden
from demagnify.cli.plan import plan
from demagnify.cli.reproduce import reproduce
from demagnify.cli.serve import serve, ui
from demagnify.cli.train import join, train_defense, train_detector, train_enhancement
from demagnify.cli.verify import verify


class Group(click.Group):
    """Commands under headings.

    Args:
        name: What the user types.
        sections: Heading -> commands, as the help shows them.
        settings: Those of `click.Group`.
    """

    def __init__(
        self,
        name: str,
        sections: Mapping[str, Sequence[click.Command]],
        **settings: Any,  # noqa: ANN401
    ) -> None:
        settings["help"] = inspect.cleandoc(settings["help"])
        super().__init__(name, no_args_is_help=True, context_settings=CONTEXT, **settings)
        self._sections = sections
        for one in (one for commands in sections.values() for one in commands):
            self.add_command(one)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Runs the command; an interrupted one ends with its own exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("demagnify: stopped; the same command goes on where it was", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands under their headings, each with the first sentence of its help."""
        for title, commands in self._sections.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(one.name or "", one.get_short_help_str(200)) for one in commands]
                )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands before the options: they are more often looked for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


data = Group(
    "data",
    {"Commands": [describe, prepare, export_data]},
    help="Look at data sets, get them ready and list them: describe, prepare, export.",
)

benchmark = Group(
    "bench",
    {"Commands": [bench.run, bench.verify, bench.compare, bench.leaderboard]},
    help="A benchmark that others can enter: run, verify, compare, leaderboard.",
)

exchange = Group(
    "scores",
    {"Commands": [scores.export, scores.measure]},
    help="Scores as tables that other tools read, and theirs measured: export, measure.",
)

app = Group(
    "demagnify",
    {
        "Start here": [demo, detect, verify],
        "The research loop": [
            sample,
            train_detector,
            harden,
            join,
            attack,
            adaptive_attack,
            train_defense,
            calibrate,
            train_enhancement,
            evaluate,
            report,
            reproduce,
            benchmark,
            exchange,
            data,
        ],
        "More": [ui, serve, plan, export, assets],
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
    say(f"demagnify {__version__}")
    ctx.exit()
