"""`demagnify demo`: the whole idea on real photographs, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demagnify.cli.console import say, show_evaluation
from demagnify.cli.generate import Config, verb
from demagnify.cli.options import PATH, Option

if TYPE_CHECKING:
    from demagnify.evaluation.demo import DemoConfig


@verb(
    "demo",
    Option(
        "--output",
        "output",
        "Folder to write to.",
        "default: runs/demo",
        type=PATH,
        default="runs/demo",
    ),
    Config("demagnify.evaluation.demo:DemoConfig"),
)
def demo(output: Path, config: DemoConfig) -> None:
    """Run everything on real photographs: sample set, detectors, attacks, defences, report.

    Makes face swaps from about 1,000 photographs, attacks them with super-resolution networks,
    trains an agent before the hardened detector and the paper's agent, evaluates them beside all
    baselines and writes report.html. What is there already is not done again.
    """
    from demagnify.evaluation.demo import demo as run_demo

    show_evaluation(run_demo(config, output, log=say))
    say(f"\nLook at {output / 'report.html'} and {output / 'sample' / 'contact_sheet.png'}.")
    photo = output / "sample" / "test" / "fake"
    say(f"Try: demagnify detect --defense {output / 'defense'} {photo}")
